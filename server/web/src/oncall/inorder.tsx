/// Things in an order that somebody chooses, by buttons, so that a keyboard is enough.
import { Button } from "@navikt/ds-react";
import { useRoomWords } from "../i18n";

interface Props {
  label: string;
  items: string[];
  called: (item: string) => string;
  put: (items: string[]) => void;
}

export function moved<T>(items: T[], from: number, to: number): T[] {
  const rest = items.filter((_, at) => at !== from);
  const one = items[from];
  return one === undefined ? items : [...rest.slice(0, to), one, ...rest.slice(to)];
}

export function InOrder({ label, items, called, put }: Props) {
  const words = useRoomWords();
  return (
    <div>
      <p className="label">{label}</p>
      <ol className="in-order" aria-label={label}>
        {items.map((one, n) => (
          <li key={one}>
            <span>
              {n + 1}. {called(one)}
            </span>
            <Button type="button" size="xsmall" variant="tertiary" disabled={n === 0} onClick={() => put(moved(items, n, n - 1))}>
              {words.rota.up}
              <span className="aksel-sr-only"> {called(one)}</span>
            </Button>
            <Button type="button" size="xsmall" variant="tertiary" onClick={() => put(items.filter((_, at) => at !== n))}>
              {words.rota.remove}
              <span className="aksel-sr-only"> {called(one)}</span>
            </Button>
          </li>
        ))}
      </ol>
    </div>
  );
}
