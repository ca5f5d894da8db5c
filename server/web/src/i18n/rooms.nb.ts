/// Words in Bokmål of the rooms beside the list and the patient's page. They come with a room's own page, so whoever signs
/// in and looks at a patient waits for none of them.
import { cases } from "./cases.nb";
import { fleet, identity } from "./fleet.nb";
import { holders } from "./holders.nb";
import { me } from "./me.nb";
import { people } from "./people.nb";
import { programmes } from "./programmes.nb";
import { rota } from "./rota.nb";

export const rooms = { cases, fleet, holders, identity, me, people, programmes, rota };

export type RoomWords = typeof rooms;
