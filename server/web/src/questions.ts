/// What a nurse says to a question: whose are the readings that are held?
import { useQueryClient } from "@tanstack/react-query";
import { explain } from "./acts";
import { type HeldValue, type PatientPage, type Question, Refused, api } from "./api";
import { type Words, useWords } from "./i18n";
import * as format from "./format";
import { useSaying } from "./saying";

export type Said = NonNullable<Question["said"]>;
export const SAID: readonly Said[] = ["hers", "not_hers", "unknown"];

/// The moments something was measured at, each with what it gave, oldest first.
export function moments(question: Question): { t_ms: number; values: HeldValue[] }[] {
  const found = new Map<number, HeldValue[]>();
  for (const value of question.values) found.set(value.t_ms, [...(found.get(value.t_ms) ?? []), value]);
  return [...found].sort(([a], [b]) => a - b).map(([t_ms, values]) => ({ t_ms, values }));
}

/// "54,2 kg".
export const shown = (value: HeldValue): string =>
  [format.number(value.value, value.decimals), value.unit].filter(Boolean).join(" ");

/// What a sentence names of a measurement: the weight of a weighing, the pressures of a cuff.
const NAMED = ["weight", "bp_sys", "bp_dia"];
const inShort = (values: readonly HeldValue[]): string => {
  const named = NAMED.flatMap((name) => values.filter((value) => value.channel === name));
  return (named.length > 0 ? named : values.slice(0, 1)).map(shown).join(" / ");
};

/// The newest measurement in a sentence, and what speaks against it.
export function sentence(question: Question, now: number, words: Words): string {
  const newest = moments(question).at(-1);
  const measured = newest ? words.question.measured(inShort(newest.values), format.when(newest.t_ms, now)) : "";
  const why =
    question.because === "slot"
      ? words.question.slot(question.slot ?? 0)
      : words.question.usual(`${format.number(question.usual_kg ?? 0, 1)} kg`);
  return `${measured} ${why}`;
}

/// What became of asking at home; empty where nobody was asked.
export function atHome(question: Question, now: number, words: Words): string {
  if (question.home_unknown_ms !== null) return words.question.homeUnknown(format.when(question.home_unknown_ms, now));
  return question.home ? words.question.home[question.home] : "";
}

/// Why the answer was not taken.
export function refused(error: unknown, words: Words): string {
  const changed = error instanceof Refused && error.status === 409 && !error.conflict?.who;
  return changed ? words.question.changed : explain(error, words);
}

export function useAnswer(patient: string) {
  const queries = useQueryClient();
  const words = useWords();
  const send = ({ question, said }: { question: Question; said: Said }) =>
    api.answer(question.id, { said, version: question.version });
  return useSaying(patient, send, words.question.stored, (answered) => {
    queries.setQueryData<PatientPage>(
      ["patient", patient],
      (page) => page && { ...page, questions: page.questions.map((old) => (old.id === answered.id ? answered : old)) },
    );
  });
}
