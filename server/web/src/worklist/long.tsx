/// A list of any length: of a long one only the rows near the screen are drawn, the others are room left for them.
///
/// The row with the focus stays drawn wherever it is, so that no scrolling takes the focus away. Rows stand in the
/// ordinary flow between spacers, as tall as the rows they stand for, so that styles need not know which kind of list
/// they are in. `whole` draws everything: for paper, and for whoever searches the page with the browser.
import { type ReactElement, Suspense, lazy, useEffect, useState } from "react";
import { flushSync } from "react-dom";

/// What it takes is fetched by whoever has a long list; most have not.
const Windowed = lazy(() => import("./windowed"));

const SHORT = 60;

export interface LongListProps {
  className: string;
  ids: readonly string[];
  draw: (id: string) => ReactElement;
  /// Of a row that was never drawn, and between rows, in pixels.
  height: number;
  gap: number;
  /// The row that stays drawn.
  pinned: string | null;
  whole: boolean;
}

export function LongList(props: LongListProps) {
  const { className, ids, draw, whole } = props;
  if (ids.length <= SHORT || whole) return <ol className={whole ? `${className} rows-whole` : className}>{ids.map(draw)}</ol>;
  return (
    <Suspense fallback={<ol className={className}>{ids.slice(0, SHORT).map(draw)}</ol>}>
      <Windowed {...props} />
    </Suspense>
  );
}

/// Whether everything is to be drawn: while the page is printed, and from when somebody searches in it.
export function useWhole(): { whole: boolean; drawAll: () => void } {
  const [printing, setPrinting] = useState(false);
  const [searching, setSearching] = useState(false);
  useEffect(() => {
    const paper = window.matchMedia("print");
    // At once: the browser takes the page as it is when these return.
    const begin = () => flushSync(() => setPrinting(true));
    const end = () => setPrinting(false);
    const turned = () => (paper.matches ? begin() : end());
    const search = (event: KeyboardEvent) => {
      if (event.key === "F3" || ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f"))
        flushSync(() => setSearching(true));
    };
    window.addEventListener("beforeprint", begin);
    window.addEventListener("afterprint", end);
    window.addEventListener("keydown", search);
    paper.addEventListener("change", turned);
    return () => {
      window.removeEventListener("beforeprint", begin);
      window.removeEventListener("afterprint", end);
      window.removeEventListener("keydown", search);
      paper.removeEventListener("change", turned);
    };
  }, []);
  return { whole: printing || searching, drawAll: () => setSearching(true) };
}

/// Whether a list of so many rows is not drawn as a whole by itself.
export const isLong = (count: number): boolean => count > SHORT;
