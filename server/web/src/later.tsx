/// Dialogs come later: no page needs them to stand, and together they weigh more than most pages do.
///
/// They are fetched when the page stands and the browser has nothing else to do (`useLater`), so that a button or a
/// letter opens one at once; whoever is quicker waits for just that one. Until it is there the focus stays where it is,
/// and goes back there when it closes, as with any dialog.
import { type ComponentType, Suspense, lazy, useEffect } from "react";

type Fetch = () => Promise<unknown>;

const due = new Set<Fetch>();
const SOON_MS = 1000;

/// A component of a file of its own.
export function later<Props extends object>(fetch: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  const Lazy = lazy(async () => ({ default: await fetch() })) as ComponentType<Props>;
  due.add(fetch);
  return (props: Props) => (
    <Suspense fallback={<span data-coming hidden />}>
      <Lazy {...props} />
    </Suspense>
  );
}

/// Of a page that stands: fetch what it may want next, once nothing else is to be done.
export function useLater(): void {
  useEffect(() => {
    if ("requestIdleCallback" in window) {
      const idle = requestIdleCallback(fetchDue);
      return () => cancelIdleCallback(idle);
    }
    const soon = setTimeout(fetchDue, SOON_MS); // Safari does not say when it is idle
    return () => clearTimeout(soon);
  }, []);
}

/// One that cannot be fetched now is fetched when it is wanted, or with the next page.
function fetchDue(): void {
  for (const fetch of due) fetch().then(() => due.delete(fetch), () => {});
}
