/// The newest readings of a channel one by one: what was measured, when it was and when it came, by what and how well;
/// and two acts, that one is wrong and that it is not after all. What is wrong stays in the list, struck through.
import { Button } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type LatestReadings, type Measured, api } from "../api";
import * as format from "../format";
import { useWords } from "../i18n";
import { later } from "../later";
import { FailedToLoad } from "../parts";
import { named, value } from "./reading";

const InvalidDialog = later(async () => (await import("./correct")).InvalidDialog);
const UndoDialog = later(async () => (await import("./correct")).UndoDialog);

interface LatestProps {
  patient: string;
  channel: string;
  label: string;
  now: number;
}

export function Latest({ patient, channel, label, now }: LatestProps) {
  const words = useWords();
  const [open, setOpen] = useState(false);
  const [asking, ask] = useState<Measured | null>(null);
  const latest = useQuery({
    queryKey: ["curves", patient, "latest", channel],
    queryFn: () => api.latestReadings(patient, channel),
    enabled: open,
  });
  const done = () => ask(null);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{words.latest.title(label)}</summary>
      {latest.isError && !latest.data && <FailedToLoad error={latest.error} retry={() => void latest.refetch()} />}
      {latest.data?.readings.length === 0 && <p className="none">{words.latest.none}</p>}
      {latest.data && latest.data.readings.length > 0 && (
        <ul className="latest" aria-label={words.latest.title(label)}>
          {latest.data.readings.map((one) => (
            <Reading key={one.id} one={one} of={latest.data} now={now} ask={() => ask(one)} />
          ))}
        </ul>
      )}
      {latest.data && asking && asking.invalid === null && (
        <InvalidDialog one={asking} of={latest.data} patient={patient} now={now} done={done} />
      )}
      {latest.data && asking?.invalid && (
        <UndoDialog one={asking} of={latest.data} patient={patient} now={now} done={done} />
      )}
    </details>
  );
}

interface ReadingProps {
  one: Measured;
  of: LatestReadings;
  now: number;
}

function Reading({ one, of, now, ask }: ReadingProps & { ask: () => void }) {
  const words = useWords();
  const quality = one.status.map((word) => words.value.status[word] ?? word).join(", ");
  const when = format.when(one.t_ms, now);
  const { invalid } = one;
  return (
    <li className={invalid ? "is-invalid" : undefined}>
      <p>
        {invalid ? (
          <>
            <s>{value(one, of)}</s> <b>{words.latest.isInvalid}</b>
          </>
        ) : (
          <b>{value(one, of)}</b>
        )}{" "}
        <time>{one.late ? words.value.late(when, format.when(one.arrived_ms, now)) : when}</time>{" "}
        <span className="hint">{[words.latest.by(one.device), quality].filter(Boolean).join(", ")}</span>
        {invalid && (
          <span className="said">
            {words.latest.said(
              [words.latest.reasons[invalid.reason], invalid.note].filter(Boolean).join(": "),
              invalid.who,
              format.when(invalid.t_ms, now),
            )}
          </span>
        )}
      </p>
      <Button type="button" size="xsmall" variant="tertiary" data-color="neutral" onClick={ask}>
        {invalid ? words.latest.undo : words.latest.invalid}
        <span className="aksel-sr-only"> {named(one, of, now)}</span>
      </Button>
    </li>
  );
}
