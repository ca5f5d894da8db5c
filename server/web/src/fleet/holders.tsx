/// Whose a device is: under each device its patient, and the ways to give it to somebody and to take it back.
///
/// Both are done in two steps. The second says in plain words what follows for what is stored, because a reading under
/// the wrong patient is the worst that can happen here.
import { Button } from "@navikt/ds-react";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type DeviceView, type Holder, api } from "../api";
import * as format from "../format";
import { type AllWords, useRoomWords } from "../i18n";
import { FailedToLoad } from "../parts";
import { GiveDialog, TakeBackDialog } from "./giving";

const REFETCH_MS = 15_000;

export const holdersQuery = queryOptions({ queryKey: ["holders"], queryFn: api.holders, refetchInterval: REFETCH_MS });

const historyQuery = (device: string) =>
  queryOptions({ queryKey: ["holders", device], queryFn: () => api.deviceHolders(device) });

interface HoldersProps {
  devices: readonly DeviceView[];
  holders: readonly Holder[];
  mayGive: boolean;
  now: number;
}

export function Holders({ devices, holders, mayGive, now }: HoldersProps) {
  return (
    <ul className="holders">
      {devices.map(({ id }) => (
        <Device
          key={id}
          device={id}
          holder={holders.find((one) => one.device === id) ?? null}
          mayGive={mayGive}
          now={now}
        />
      ))}
    </ul>
  );
}

interface DeviceProps {
  device: string;
  holder: Holder | null;
  mayGive: boolean;
  now: number;
}

function Device({ device, holder, mayGive, now }: DeviceProps) {
  const words = useRoomWords().holders;
  const [asking, ask] = useState<"give" | "takeBack" | null>(null);
  const done = () => ask(null);
  return (
    <li>
      <span className="holder-device">{device}</span>
      <span className="holder-name">
        {holder ? (
          <>
            <b>{holder.name}</b> {words.since(format.when(holder.from_ms, now))}
          </>
        ) : (
          <b>{words.nobodys}</b>
        )}
      </span>
      {mayGive && (
        <Button size="xsmall" variant="secondary" onClick={() => ask(holder ? "takeBack" : "give")}>
          {holder ? words.takeBack : words.give}
          <span className="aksel-sr-only">{words.forDevice(device)}</span>
        </Button>
      )}
      <History device={device} now={now} />
      {asking === "give" && <GiveDialog device={device} done={done} />}
      {asking === "takeBack" && holder && <TakeBackDialog holder={holder} done={done} />}
    </li>
  );
}

/// Who had it when; asked for when somebody opens it.
function History({ device, now }: { device: string; now: number }) {
  const words = useRoomWords();
  const [open, setOpen] = useState(false);
  const history = useQuery({ ...historyQuery(device), enabled: open });
  return (
    <details className="holder-history" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {words.holders.history}
        <span className="aksel-sr-only">{words.holders.forDevice(device)}</span>
      </summary>
      {history.isError && <FailedToLoad error={history.error} retry={() => void history.refetch()} />}
      {history.data?.length === 0 && <p className="none">{words.holders.never}</p>}
      {history.data && history.data.length > 0 && (
        <ol aria-label={words.holders.historyOf(device)}>
          {history.data.map((one) => (
            <li key={one.from_ms}>
              <b>{one.name}</b> {spanOf(one, now, words)} <span className="holder-by">{saidBy(one, words)}</span>
            </li>
          ))}
        </ol>
      )}
    </details>
  );
}

export function spanOf(one: Holder, now: number, words: AllWords): string {
  const from = format.when(one.from_ms, now);
  return one.to_ms === null
    ? words.holders.since(from)
    : words.holders.span(from, format.when(one.to_ms, now));
}

function saidBy(one: Holder, words: AllWords): string {
  const { given, ended, byFile } = words.holders;
  const said = [one.given_by === null ? byFile : given(one.given_by), one.ended_by === null ? "" : ended(one.ended_by)];
  return [...said, one.why ?? ""].filter((part) => part !== "").join(" · ");
}
