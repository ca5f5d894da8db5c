/// On paper only: when it was printed, and by whom. A list without its time is mistaken for how things are.
import { useQuery } from "@tanstack/react-query";
import { useNow } from "./clock";
import * as format from "./format";
import { useWords } from "./i18n";
import { sessionQuery } from "./queries";

export function Printed() {
  const words = useWords();
  const now = useNow();
  const { data: me } = useQuery(sessionQuery);
  return <p className="printed">{words.screens.print.at(format.dateTime(now), me?.name ?? words.unknown)}</p>;
}
