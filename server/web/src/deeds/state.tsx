/// How an alarm lies that a person has set aside: snoozed (inactivated), handed over, or escalated with a read receipt.
import { PauseIcon, PersonSuitIcon } from "@navikt/aksel-icons";
import type { AlarmBrief } from "../api";
import * as format from "../format";
import { type Words, useWords } from "../i18n";
import "./deeds.css";

type Set = NonNullable<AlarmBrief["parked"]>;

/// The person, or the role, that something is for.
export const recipient = (parked: Pick<Set, "to" | "to_role">, words: Words): string =>
  parked.to ?? (parked.to_role ? words.role[parked.to_role] : words.unknown);

export function SetAside({ parked, now }: { parked: Set; now: number }) {
  const words = useWords();
  const { life } = words;
  const until = format.when(parked.until_ms, now);
  const since = format.when(parked.since_ms, now);
  const to = recipient(parked, words);
  const asleep = parked.to_role === null;
  const [what, next] = asleep
    ? [life.inactivated(parked.by, until), parked.why]
    : parked.case === null
      ? [life.handed(parked.by, to, since), life.untaken(until)]
      : [
          life.sent(parked.by, to, since),
          parked.opened_ms !== null
            ? life.opened(parked.opened_by ?? words.unknown, format.when(parked.opened_ms, now), until)
            : life.unopened(until),
        ];
  return (
    <p className={asleep ? "waiting is-asleep" : "waiting is-left"}>
      {asleep ? <PauseIcon aria-hidden /> : <PersonSuitIcon aria-hidden />} <b>{what}</b>
      <span>{next}</span>
    </p>
  );
}
