/// Tells new and worsened alarms to ears: a sentence for a screen reader (high at once, the rest politely) and a sound.
/// A high alarm nobody has answered sounds again every 30 s of the wall.
import { useEffect, useRef } from "react";
import { say } from "../announce";
import type { WorklistRow } from "../api";
import { useSay, useWords } from "../i18n";
import { play } from "../sound";
import { type News, highWaits, newsBetween } from "../worklist/news";

const AGAIN_MS = 30_000;

export function useVoice(rows: readonly WorklistRow[] | undefined, loud: boolean): void {
  const words = useWords();
  const inWords = useSay();
  const before = useRef<readonly WorklistRow[] | null>(null);
  useEffect(() => {
    if (!rows || rows === before.current) return;
    // What was there when the page opened is read on the page, not called out.
    const news = before.current ? newsBetween(before.current, rows) : [];
    before.current = rows;
    const sentence = ({ what, patient, alarm }: News) =>
      words.news[what](words.priority[alarm.priority], patient, alarm.reasons[0] ? inWords(alarm.reasons[0].text) : "");
    const high = news.filter(({ alarm }) => alarm.priority === "high").map(sentence);
    const other = news.filter(({ alarm }) => alarm.priority !== "high").map(sentence);
    if (high.length > 0) say("assertive", high.join(" "));
    if (other.length > 0) say("polite", other.join(" "));
    const worst = news[0];
    if (loud && worst) void play(worst.alarm.priority);
  }, [rows, loud, words, inWords]);

  const waits = loud && rows !== undefined && highWaits(rows);
  useEffect(() => {
    if (!waits) return;
    const timer = setInterval(() => void play("high"), AGAIN_MS);
    return () => clearInterval(timer);
  }, [waits]);
}
