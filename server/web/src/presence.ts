/// Who has which patient's page open, as the live stream tells it, and what this tab says of itself.
///
/// A tab's word holds as long as its stream: closing the tab takes it back, and a stream that was opened anew has a new
/// name, under which it is said again.
import { useEffect, useSyncExternalStore } from "react";
import { api } from "./api";

export interface Viewer {
  id: string;
  name: string;
}

const NOBODY: readonly Viewer[] = [];
let viewing = new Map<string, readonly Viewer[]>();
let stream: string | null = null;
let shown: string | null = null;
const listeners = new Set<() => void>();

function changed(next: Map<string, readonly Viewer[]>): void {
  viewing = next;
  for (const tell of listeners) tell();
}

function say(): void {
  // Whoever is refused has no stream any more, and says it again when the next one says hello.
  if (stream !== null) api.lookAt(stream, shown).catch(() => undefined);
}

/// The stream has said hello: this is its name, and this is how it stands.
export function streamOpened(name: string, all: Record<string, Viewer[]>): void {
  stream = name;
  changed(new Map(Object.entries(all)));
  if (shown !== null) say();
}

/// Whatever we may see may have changed: this is how it stands, and what we look at is said anew.
export function viewingNow(all: Record<string, Viewer[]>): void {
  changed(new Map(Object.entries(all)));
  if (shown !== null) say();
}

export function viewed(patientId: string, viewers: Viewer[]): void {
  const next = new Map(viewing);
  if (viewers.length > 0) next.set(patientId, viewers);
  else next.delete(patientId);
  changed(next);
}

/// While the calling page is open, the others see that we look at this patient.
export function useLookingAt(patientId: string): void {
  useEffect(() => {
    shown = patientId;
    say();
    return () => {
      shown = null;
      say();
    };
  }, [patientId]);
}

/// Who else looks at the patient.
export function useViewers(patientId: string, me: string): readonly Viewer[] {
  const all = useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => viewing.get(patientId) ?? NOBODY,
  );
  return all.some((one) => one.id === me) ? all.filter((one) => one.id !== me) : all;
}
