/// The list's order, held still while hands are on it: as long as the focus is inside, and for three seconds after the
/// pointer last moved over it, so that no row slides in under a click.
import { type FocusEvent, useCallback, useEffect, useRef, useState } from "react";
import type { WorklistRow } from "../api";
import { type Held, type Shown, hold, holding, orderOf } from "./order";

const POINTER_REST_MS = 3_000;

export function useHeldOrder(rows: readonly WorklistRow[]) {
  const [held, setHeld] = useState<Held | null>(null);
  const hands = useRef({ focus: false, pointer: false });
  const resting = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  const shown: Shown = held ? hold(held, rows) : { order: orderOf(rows), fresh: [], worse: [] };
  const latest = useRef<Held | null>(null);
  latest.current = holding(shown.order, rows);

  const settle = useCallback(() => {
    const { focus, pointer } = hands.current;
    setHeld((old) => (focus || pointer ? (old ?? latest.current) : null));
  }, []);
  useEffect(() => () => clearTimeout(resting.current), []);

  const list = {
    onFocus: () => {
      hands.current.focus = true;
      settle();
    },
    onBlur: (event: FocusEvent<HTMLElement>) => {
      hands.current.focus = event.currentTarget.contains(event.relatedTarget);
      settle();
    },
    onPointerMove: () => {
      hands.current.pointer = true;
      settle();
      clearTimeout(resting.current);
      resting.current = setTimeout(() => {
        hands.current.pointer = false;
        settle();
      }, POINTER_REST_MS);
    },
  };
  /// Shows the new rows now; what is held from here on is the new order.
  const release = () => setHeld(held && holding(orderOf(rows), rows));
  return { ...shown, list, release };
}
