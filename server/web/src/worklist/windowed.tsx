/// The rows near the screen between spacers for the others (see `long.tsx`).
import { defaultRangeExtractor, useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactElement, useLayoutEffect, useRef, useState } from "react";
import type { LongListProps } from "./long";

const OVERSCAN = 8;

export default function Windowed({ className, ids, draw, height, gap, pinned }: LongListProps) {
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
