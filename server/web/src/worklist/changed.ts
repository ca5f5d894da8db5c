/// Which rows' alarms changed within the last half minute, to be marked quietly.
import { useEffect, useRef, useState } from "react";
import type { WorklistRow } from "../api";
import { alarmsKey } from "./news";

const MARKED_MS = 30_000;

export function useChanged(rows: readonly WorklistRow[]): ReadonlySet<string> {
  const [changed, setChanged] = useState<ReadonlySet<string>>(new Set());
  const keys = useRef<Map<string, string> | null>(null);
  const ends = useRef(new Map<string, ReturnType<typeof setTimeout>>());

  useEffect(() => {
    const before = keys.current;
    keys.current = new Map(rows.map((row) => [row.patient.id, alarmsKey(row)]));
    if (!before) return;
    for (const [id, key] of keys.current) {
      if (before.get(id) === key) continue;
      clearTimeout(ends.current.get(id));
      setChanged((old) => new Set(old).add(id));
      const end = setTimeout(() => setChanged((old) => new Set([...old].filter((other) => other !== id))), MARKED_MS);
      ends.current.set(id, end);
    }
  }, [rows]);

  useEffect(() => {
    const timers = ends.current;
    return () => {
      for (const timer of timers.values()) clearTimeout(timer);
    };
  }, []);
  return changed;
}
