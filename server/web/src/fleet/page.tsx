/// Gateways and devices: what answers, what does not, and what was heard that belongs to nobody.
import { Button } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { GatewayView, Holder, QuarantineRow, User } from "../api";
import { useNow } from "../clock";
import { Devices } from "../devices";
import * as format from "../format";
import { useRoomWords } from "../i18n";
import { Fetched, useTitle } from "../parts";
import { aboutQuery, fleetQuery, quarantineQuery } from "../queries";
import { Holders, holdersQuery } from "./holders";
import { Identity } from "./identity";
import { found, troubled } from "./search";
import "./holders.css";

const AT_ONCE = 60;

export default function FleetPage({ user }: { user: User }) {
  const words = useRoomWords();
  const now = useNow();
  const fleet = useQuery(fleetQuery);
  useTitle(words.fleet.title);
  return (
    <div className="page fleet">
      <div className="page-head">
        <h1>{words.fleet.title}</h1>
      </div>
      <h2>{words.fleet.gateways}</h2>
      <Fetched query={fleet}>{(gateways) => <Gateways gateways={gateways} now={now} user={user} />}</Fetched>
      {user.role === "administrator" && <Quarantine now={now} />}
    </div>
  );
}

interface GatewaysProps {
  gateways: GatewayView[];
  now: number;
  user: User;
}

/// While nobody knows whose the devices are, nobody is told that they are nobody's.
function Gateways({ gateways, now, user }: GatewaysProps) {
  const words = useRoomWords();
  const holders = useQuery(holdersQuery);
  const [text, search] = useState("");
  const [trouble, onlyTrouble] = useState(false);
  const [most, show] = useState(AT_ONCE);
  const held = holders.data;
  const all = found(gateways, held ?? [], text).filter((gateway) => !trouble || troubled(gateway, held ?? []));
  return (
    <>
      {holders.isError && !held && <p className="none">{words.holders.notKnown}</p>}
      <Fetched query={holders}>{() => null}</Fetched>
      <div className="fleet-search" role="search">
        <input
          type="search"
          className="filter-search"
          aria-label={words.holders.search}
          placeholder={words.holders.search}
          value={text}
          onInput={(event) => search(event.currentTarget.value)}
        />
        <label>
          <input type="checkbox" checked={trouble} onChange={(event) => onlyTrouble(event.currentTarget.checked)} />
          {words.holders.trouble}
        </label>
        <span className="hint" role="status">
          {words.holders.shown(Math.min(most, all.length), gateways.length)}
        </span>
      </div>
      {gateways.length === 0 && <p className="none">{words.fleet.none}</p>}
      <div className="gateways">
        {all.slice(0, most).map((gateway) => (
          <Gateway key={gateway.id} gateway={gateway} holders={held} now={now} user={user} />
        ))}
      </div>
      {all.length > most && (
        <p className="draw-all">
          <Button size="small" variant="secondary" data-color="neutral" onClick={() => show(most + AT_ONCE)}>
            {words.holders.more}
          </Button>
        </p>
      )}
    </>
  );
}

interface GatewayProps {
  gateway: GatewayView;
  holders: readonly Holder[] | undefined;
  now: number;
  user: User;
}

function Gateway({ gateway, holders, now, user }: GatewayProps) {
  const words = useRoomWords();
  const certificates = useQuery(aboutQuery).data?.certificates ?? false;
  return (
    <section className="card" aria-label={`${words.fleet.gateway} ${gateway.id}`}>
      <div className="gateway-head">
        <h3>
          {gateway.id} <span>{gateway.place}</span>
        </h3>
        <span className={`link link-${gateway.online ? "connected" : "lost"}`}>
          {gateway.online ? words.fleet.online : words.fleet.offline}
        </span>
        <dl className="facts">
          <div>
            <dt>{words.fleet.lastHeard}</dt>
            <dd>
              {gateway.last_heard_ms === null
                ? words.patient.never
                : words.ago(format.span(now - gateway.last_heard_ms))}
            </dd>
          </div>
          <div>
            <dt>{words.fleet.queued}</dt>
            <dd>
              {gateway.queued === null ? words.unknown : gateway.queued > 0 ? <b>{format.plain(gateway.queued)}</b> : 0}
            </dd>
          </div>
          <div>
            <dt>{words.fleet.software}</dt>
            <dd>{gateway.software ?? words.unknown}</dd>
          </div>
          {gateway.config !== null && (
            <div>
              <dt>{words.fleet.config}</dt>
              <dd>
                {gateway.config === "applied" ? words.fleet.configState.applied : <b>{words.fleet.configState[gateway.config]}</b>}
              </dd>
            </div>
          )}
        </dl>
      </div>
      {gateway.devices.length > 0 ? (
        <>
          <Devices devices={gateway.devices} now={now} label={`${words.fleet.devices}, ${gateway.id}`} />
          {holders && (
            <Holders devices={gateway.devices} holders={holders} mayGive={user.role !== "specialist"} now={now} />
          )}
        </>
      ) : (
        <p className="none">{words.patient.noDevices}</p>
      )}
      {gateway.config_refused !== null && (
        <p className="notes">
          <b>{words.fleet.configRefused}:</b> <span lang="en">{gateway.config_refused}.</span>
        </p>
      )}
      {gateway.notes.length > 0 && (
        <p className="notes">
          <b>{words.fleet.notes}:</b> <span lang="en">{gateway.notes.join(". ")}.</span>
        </p>
      )}
      {gateway.strangers.length > 0 && (
        <p className="strangers">
          <b>{words.fleet.strangers}:</b> {gateway.strangers.join(", ")}. {words.fleet.strangersWhat}
        </p>
      )}
      {user.role === "administrator" && <Identity gateway={gateway} now={now} certificates={certificates} />}
    </section>
  );
}

function Quarantine({ now }: { now: number }) {
  const words = useRoomWords();
  const rows = useQuery(quarantineQuery);
  return (
    <section aria-labelledby="quarantine">
      <h2 id="quarantine">{words.fleet.quarantine}</h2>
      <p className="lead">{words.fleet.quarantineWhat}</p>
      <Fetched query={rows}>{(found) => <QuarantineRows rows={found} now={now} />}</Fetched>
    </section>
  );
}

function QuarantineRows({ rows, now }: { rows: QuarantineRow[]; now: number }) {
  const words = useRoomWords();
  if (rows.length === 0) return <p className="none">{words.fleet.quarantineNone}</p>;
  return (
    <div className="card">
      <table className="table" aria-labelledby="quarantine">
        <thead>
          <tr>
            <th scope="col">{words.patient.time}</th>
            <th scope="col">{words.fleet.gateway}</th>
            <th scope="col">{words.patient.device}</th>
            <th scope="col">{words.fleet.reason}</th>
            <th scope="col">{words.fleet.explanation}</th>
            <th scope="col">{words.fleet.bytes}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td>{format.when(row.t_ms, now)}</td>
              <td>{row.gateway}</td>
              <td>{row.device ?? words.unknown}</td>
              <td>{row.reason}</td>
              <td>{row.text}</td>
              <td className="hex">
                {format.plain(row.size)}: <code>{row.data_hex}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
