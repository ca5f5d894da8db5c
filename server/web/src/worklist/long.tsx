/// A list of any length: of a long one only the rows near the screen are drawn, the others are room left for them.
///
/// The row with the focus stays drawn wherever it is, so that no scrolling takes the focus away. Rows stand in the
/// ordinary flow between spacers, as tall as the rows they stand for, so that styles need not know which kind of list
/// they are in. `whole` draws everything: for paper, and for whoever searches the page with the browser.
import { defaultRangeExtractor, useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactElement, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";

const SHORT = 60;
const OVERSCAN = 8;

interface LongListProps {
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
  if (ids.length > SHORT && !whole) return <Windowed {...props} />;
  return <ol className={whole ? `${className} rows-whole` : className}>{ids.map(draw)}</ol>;
}

function Windowed({ className, ids, draw, height, gap, pinned }: LongListProps) {
  const list = useRef<HTMLOListElement>(null);
  const [top, setTop] = useState(0);
  const pinnedAt = pinned === null ? -1 : ids.indexOf(pinned);
  const virtual = useWindowVirtualizer({
    count: ids.length,
    estimateSize: () => height,
    overscan: OVERSCAN,
    gap,
    scrollMargin: top,
    getItemKey: (at) => ids[at] ?? at,
    rangeExtractor: (range) => {
      const near = defaultRangeExtractor(range);
      return pinnedAt < 0 || near.includes(pinnedAt) ? near : [...near, pinnedAt].sort((a, b) => a - b);
    },
  });
  const items = virtual.getVirtualItems();

  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    const now = Math.round(element.getBoundingClientRect().top + window.scrollY);
    if (now !== top) setTop(now);
    element.querySelectorAll<HTMLElement>("[data-patient]").forEach((row, i) => {
      row.dataset.index = String(items[i]?.index ?? 0);
      virtual.measureElement(row);
    });
  });

  const drawn: ReactElement[] = [];
  let end = top - gap;
  const space = (until: number, key: string) => {
    // A spacer has a gap on each side of it, like any row.
    const room = until - end - 2 * gap;
    if (room > 0) drawn.push(<li key={key} aria-hidden="true" className="spacer" style={{ height: `${room}px` }} />);
  };
  for (const item of items) {
    const id = ids[item.index];
    if (id === undefined) continue;
    space(item.start, `before ${id}`);
    drawn.push(draw(id));
    end = item.end;
  }
  space(top + virtual.getTotalSize() + gap, "after");
  return (
    <ol ref={list} className={className}>
      {drawn}
    </ol>
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
