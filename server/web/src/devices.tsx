/// Devices and their health, as a table: on the patient's page and under each gateway.
import type { DeviceView } from "./api";
import * as format from "./format";
import { useWords } from "./i18n";

const LOW_BATTERY = 15;

export function Devices({ devices, now, label }: { devices: readonly DeviceView[]; now: number; label: string }) {
  const words = useWords();
  return (
    <table className="table" aria-label={label}>
      <thead>
        <tr>
          <th scope="col">{words.patient.device}</th>
          <th scope="col">{words.patient.link}</th>
          <th scope="col">{words.patient.lastSeen}</th>
          <th scope="col" className="num">
            {words.patient.battery}
          </th>
          <th scope="col" className="num">
            {words.patient.faults}
          </th>
        </tr>
      </thead>
      <tbody>
        {devices.map((device) => (
          <tr key={device.id}>
            <th scope="row">
              {device.id} <span className="driver">{device.driver}</span>
            </th>
            <td>
              <span className={`link link-${device.link}`}>{words.patient.links[device.link] ?? device.link}</span>
            </td>
            <td>
              {device.last_seen_ms === null ? words.patient.never : words.ago(format.span(now - device.last_seen_ms))}
            </td>
            <td className="num">{device.battery === null ? words.unknown : <Battery percent={device.battery} />}</td>
            <td className="num">{device.faults > 0 ? <b>{device.faults}</b> : 0}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Battery({ percent }: { percent: number }) {
  const shown = `${format.number(percent, 0)} %`;
  return percent <= LOW_BATTERY ? <b className="is-low">▼ {shown}</b> : <>{shown}</>;
}
