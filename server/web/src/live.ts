/// The live stream: what the server says as it happens, folded into the query cache.
///
/// The stream is opened before anything is fetched. The server's `beat` comes every 5 s as a named event; without any
/// event for 13 s of the wall the link counts as broken, even when the socket looks open (a frozen server does).
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import type { PhoneMessage, Worklist, WorklistRow } from "./api";
import { nowMs, setClock } from "./clock";
import { type Viewer, streamOpened, viewed, viewingNow } from "./presence";
import { alarmsKey } from "./worklist/news";
import { patchRow } from "./worklist/patch";

export const BROKEN_AFTER_MS = 13_000;
const REOPEN_MS = 3_000;
const REFETCH_PATIENT_MS = 500;
const REFETCH_CURVES_MS = 2_000;

type Viewing = Record<string, Viewer[]>;

interface Hello {
  now_ms: number;
  deaf: boolean;
  speed: number;
  stream: string;
  viewing: Viewing;
}

export interface Link {
  broken: boolean;
  /// The server answers, and cannot store what the homes send.
  deaf: boolean;
  /// The server's time when it was last heard.
  heardMs: number;
}

let link: Link = { broken: false, deaf: false, heardMs: nowMs() };
const listeners = new Set<() => void>();

function setLink(next: Link): void {
  link = next;
  for (const tell of listeners) tell();
}

export const useLink = (): Link =>
  useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => link,
  );

/// Rows with the wall time they came, for those that arrive while the worklist is on its way.
const arrived = new Map<string, { row: WorklistRow; wallMs: number }>();

export const rowsSince = (wallMs: number): WorklistRow[] =>
  [...arrived.values()].filter((entry) => entry.wallMs >= wallMs).map((entry) => entry.row);

/// Runs at once, then at most once per `everyMs` for each key, and always a last time after a burst.
function throttled(everyMs: number, run: (key: string) => void): (key: string) => void {
  const resting = new Map<string, boolean>();
  return function ask(key: string): void {
    if (resting.has(key)) {
      resting.set(key, true);
      return;
    }
    run(key);
    resting.set(key, false);
    setTimeout(() => {
      const again = resting.get(key);
      resting.delete(key);
      if (again) ask(key);
    }, everyMs);
  };
}

/// Opens the stream and keeps it open until the returned function is called.
export function listen(queries: QueryClient): () => void {
  let source: EventSource | null = null;
  let greeted = false;
  let heardWallMs = performance.now();
  let reopening: ReturnType<typeof setTimeout> | undefined;
  const patientChanged = throttled(
    REFETCH_PATIENT_MS,
    (id) => void queries.invalidateQueries({ queryKey: ["patient", id] }),
  );
  const curvesChanged = throttled(
    REFETCH_CURVES_MS,
    (id) => void queries.invalidateQueries({ queryKey: ["curves", id] }),
  );

  const casesChanged = throttled(
    REFETCH_PATIENT_MS,
    () => void queries.invalidateQueries({ queryKey: ["cases"] }),
  );

  const heard = () => {
    heardWallMs = performance.now();
    setLink({ ...link, broken: false, heardMs: nowMs() });
  };
  const on = <T>(name: string, act: (data: T) => void) =>
    source?.addEventListener(name, (event) => {
      act(JSON.parse((event as MessageEvent<string>).data) as T);
      heard();
    });
  const anew = () => {
    arrived.clear();
    void queries.invalidateQueries();
  };

  const open = () => {
    source = new EventSource("/api/stream");
    on<Hello>("hello", ({ now_ms, deaf, speed, stream, viewing }) => {
      setClock(now_ms, speed);
      streamOpened(stream, viewing);
      setLink({ ...link, deaf });
      // The list asked for before the stream stood may already be old; after a break everything may be.
      if (greeted) anew();
      else void queries.invalidateQueries({ queryKey: ["worklist"] });
      greeted = true;
    });
    on<{ now_ms: number; deaf: boolean }>("beat", ({ now_ms, deaf }) => {
      setClock(now_ms);
      setLink({ ...link, deaf });
    });
    on<WorklistRow>("row", (row) => {
      const before = queries
        .getQueryData<Worklist>(["worklist"])
        ?.rows.find((old) => old.patient.id === row.patient.id);
      if (!before || alarmsKey(before) !== alarmsKey(row)) casesChanged("");
      arrived.set(row.patient.id, { row, wallMs: performance.now() });
      queries.setQueryData<Worklist>(["worklist"], (list) => list && patchRow(list, row));
    });
    on<{ patient_id: string }>("patient", ({ patient_id }) => {
      patientChanged(patient_id);
      curvesChanged(patient_id);
    });
    on<{ patient_id: string }>("glass", ({ patient_id }) => {
      void queries.invalidateQueries({ queryKey: ["glass"] });
      void queries.invalidateQueries({ queryKey: ["bound", patient_id] });
    });
    on<PhoneMessage>("phone", (message) =>
      queries.setQueryData<PhoneMessage[]>(
        ["phone"],
        (all) => all && [...all.filter((m) => m.id !== message.id), message],
      ),
    );
    on<{ patient_id: string; viewers: Viewer[] }>("viewed", ({ patient_id, viewers }) => viewed(patient_id, viewers));
    on<{ viewing: Viewing }>("viewing", ({ viewing }) => viewingNow(viewing));
    on<unknown>("resync", anew);
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      // The server refused: perhaps the session has ended. Asking who we are leads to the sign-in page if so.
      void queries.invalidateQueries({ queryKey: ["session"] });
      reopening = setTimeout(open, REOPEN_MS);
    });
  };

  const watch = setInterval(() => {
    if (!link.broken && performance.now() - heardWallMs > BROKEN_AFTER_MS) setLink({ ...link, broken: true });
  }, 1000);

  open();
  return () => {
    clearInterval(watch);
    clearTimeout(reopening);
    source?.close();
    arrived.clear();
  };
}
