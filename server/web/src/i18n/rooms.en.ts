/// Words in English of the rooms beside the list and the patient's page.
import { cases } from "./cases.en";
import { fleet, identity } from "./fleet.en";
import { holders } from "./holders.en";
import { me } from "./me.en";
import { people } from "./people.en";
import { programmes } from "./programmes.en";
import type { RoomWords } from "./rooms.nb";
import { rota } from "./rota.en";

export const rooms: RoomWords = { cases, fleet, holders, identity, me, people, programmes, rota };
