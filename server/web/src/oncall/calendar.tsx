/// The weeks ahead of one roster: a strip a week, cut where who is on changes. A hole is drawn and named.
import * as format from "../format";
import { useRoomWords } from "../i18n";
import type { Stretch } from "./asks";

const DAY = 86_400_000;
const TINTS = 5;

/// Midnight at the beginning of the week that `t_ms` lies in, by the browser's clock: a week of change has 167 or 169 hours.
function monday(t_ms: number, weeks = 0): number {
  const there = new Date(t_ms);
  const back = (there.getDay() + 6) % 7;
  return new Date(there.getFullYear(), there.getMonth(), there.getDate() - back + 7 * weeks).getTime();
}

function weekNumber(t_ms: number): number {
  const thursday = new Date(t_ms + 3.5 * DAY);
  const first = new Date(thursday.getFullYear(), 0, 1).getTime();
  return Math.ceil(((thursday.getTime() - first) / DAY + 1) / 7);
}

interface Props {
  label: string;
  stretches: Stretch[];
  called: Record<string, string>;
  from: number;
  to: number;
}

export function Calendar({ label, stretches, called, from, to }: Props) {
  const words = useRoomWords();
  const people = [...new Set(stretches.flatMap((one) => one.staff))].sort();
  const tint = (staff: string[]) => people.indexOf(staff[0] ?? "") % TINTS;
  const weeks: number[] = [];
  for (let n = 0; monday(from, n) < to; n += 1) weeks.push(monday(from, n));
  return (
    <table className="weeks" aria-label={label}>
      <thead>
        <tr>
          <td />
          <th scope="col">
            <span className="week-days">
              {words.rota.weekdays.map((day) => (
                <span key={day}>{day}</span>
              ))}
            </span>
          </th>
        </tr>
      </thead>
      <tbody>
        {weeks.map((begins) => {
          const ends = monday(begins, 1);
          const place = (t: number) => ((Math.min(Math.max(t, begins), ends) - begins) / (ends - begins)) * 100;
          return (
            <tr key={begins}>
              <th scope="row">
                {words.rota.oncall.week(weekNumber(begins))} <span>{format.day(begins)}</span>
              </th>
              <td>
                <ol className="strip">
                  {stretches
                    .filter((one) => one.kept && one.from_ms < ends && one.to_ms > begins)
                    .map((one) => {
                      const names = one.staff.map((id) => called[id] ?? id).join(", ");
                      const at = words.rota.oncall.gap(format.when(one.from_ms, 0), format.when(one.to_ms, 0));
                      return (
                        <li
                          key={one.from_ms}
                          className={names ? `tint-${tint(one.staff)}` : "hole"}
                          style={{ left: `${place(one.from_ms)}%`, width: `${place(one.to_ms) - place(one.from_ms)}%` }}
                          title={`${names || words.rota.oncall.hole}, ${at}`}
                        >
                          <span>{names || words.rota.nobody}</span>
                          <span className="aksel-sr-only">, {at}</span>
                        </li>
                      );
                    })}
                </ol>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
