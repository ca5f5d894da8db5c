/// Gateways and devices: what answers, what does not, and what was heard that belongs to nobody.
import { useQuery } from "@tanstack/react-query";
import type { GatewayView, User } from "../api";
import { useNow } from "../clock";
import { Devices } from "../devices";
import * as format from "../format";
import { useWords } from "../i18n";
import { FailedToLoad, useTitle } from "../parts";
import { aboutQuery, fleetQuery, quarantineQuery } from "../queries";
import { Identity } from "./identity";

export default function FleetPage({ user }: { user: User }) {
  const words = useWords();
  const now = useNow();
  const fleet = useQuery(fleetQuery);
  useTitle(words.fleet.title);
  return (
    <div className="page fleet">
      <div className="page-head">
        <h1>{words.fleet.title}</h1>
      </div>
      {fleet.isError && !fleet.data && <FailedToLoad error={fleet.error} retry={() => void fleet.refetch()} />}
      <h2>{words.fleet.gateways}</h2>
      {fleet.data?.length === 0 && <p className="none">{words.fleet.none}</p>}
      <div className="gateways">
        {fleet.data?.map((gateway) => (
          <Gateway key={gateway.id} gateway={gateway} now={now} user={user} />
        ))}
      </div>
      {user.role === "administrator" && <Quarantine now={now} />}
    </div>
  );
}

function Gateway({ gateway, now, user }: { gateway: GatewayView; now: number; user: User }) {
  const words = useWords();
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
        <Devices devices={gateway.devices} now={now} label={`${words.fleet.devices}, ${gateway.id}`} />
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
  const words = useWords();
  const rows = useQuery(quarantineQuery);
  return (
    <section aria-labelledby="quarantine">
      <h2 id="quarantine">{words.fleet.quarantine}</h2>
      <p className="lead">{words.fleet.quarantineWhat}</p>
      {rows.isError && !rows.data && <FailedToLoad error={rows.error} retry={() => void rows.refetch()} />}
      {rows.data?.length === 0 && <p className="none">{words.fleet.quarantineNone}</p>}
      {rows.data && rows.data.length > 0 && (
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
              {rows.data.map((row) => (
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
      )}
    </section>
  );
}
