/// How old what is known of a patient is, and who else is at it: the last reading, the last review, the other viewers.
import { EyeIcon } from "@navikt/aksel-icons";
import { useQuery } from "@tanstack/react-query";
import type { WorklistRow } from "../api";
import * as format from "../format";
import { useWords } from "../i18n";
import { useViewers } from "../presence";
import { sessionQuery } from "../queries";

const STALE_REVIEW_MS = 7 * 24 * 3_600_000;

export function Since({ row, now }: { row: WorklistRow; now: number }) {
  const words = useWords();
  const { last_reading_ms, reviewed_ms, reviewed_by } = row;
  const ago = (t_ms: number) => words.ago(format.span(now - t_ms));
  return (
    <>
      <p className="since">
        {last_reading_ms === null ? words.screens.since.noReading : words.screens.since.reading(ago(last_reading_ms))}
      </p>
      <p className="since" title={reviewed_ms === null ? undefined : format.dateTime(reviewed_ms)}>
        {reviewed_ms === null
          ? words.screens.since.noReview
          : words.screens.since.review(ago(reviewed_ms), reviewed_by ?? words.unknown)}
      </p>
    </>
  );
}

/// The same in a word, for a line of its own: only what is long ago or never.
export function reviewWord(row: WorklistRow, now: number, words: ReturnType<typeof useWords>): string {
  const { reviewed_ms } = row;
  if (reviewed_ms === null) return words.screens.since.noReview;
  return now - reviewed_ms > STALE_REVIEW_MS
    ? words.screens.since.reviewShort(words.ago(format.span(now - reviewed_ms)))
    : "";
}

export function ViewedBy({ patient }: { patient: string }) {
  const words = useWords();
  const { data: me } = useQuery(sessionQuery);
  const viewers = useViewers(patient, me?.id ?? "");
  if (viewers.length === 0) return null;
  return (
    <p className="viewed-by">
      <EyeIcon aria-hidden /> {words.screens.viewedBy(viewers.map((one) => one.name).join(", "))}
    </p>
  );
}
