/// What the pages about who is told ask of the server, and times as a form has them.
import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { explain } from "../acts";
import { say } from "../announce";
import { Refused, answer, client } from "../api";
import type { components } from "../api.gen";
import { type AllWords, useRoomWords } from "../i18n";

type Schemas = components["schemas"];
export type OnCall = Schemas["OnCall"];
export type RosterView = Schemas["RosterView"];
export type RosterSave = Schemas["RosterSave"];
export type Pattern = Schemas["PatternShape"];
export type Stretch = Schemas["StretchView"];
export type Swap = Schemas["SwapView"];
export type Ladders = Schemas["Ladders"];
export type Ladder = Schemas["LadderShape"];
export type LaddersSave = Schemas["LaddersSave"];
export type PreviewAsk = Schemas["PreviewAsk"];
export type Handover = Schemas["Handover"];
export type HandoverAlarm = Schemas["HandoverAlarm"];
export type Report = Schemas["Report"];
export type Spread = Schemas["Spread"];

const roster = (roster_id: string) => ({ params: { path: { roster_id } } });

export const ask = {
  onCall: (days: number) => answer(client.GET("/api/oncall", { params: { query: { days } } })),
  onCallAt: (t_ms: number) => answer(client.GET("/api/oncall/at", { params: { query: { t_ms } } })),
  saveRoster: (id: string, body: RosterSave) => answer(client.PUT("/api/rosters/{roster_id}", { ...roster(id), body })),
  rosterHistory: (id: string) => answer(client.GET("/api/rosters/{roster_id}/history", roster(id))),
  override: (id: string, body: Schemas["OverrideNew"]) =>
    answer(client.POST("/api/rosters/{roster_id}/overrides", { ...roster(id), body })),
  endOverride: (roster_id: string, override_id: string) =>
    answer(
      client.POST("/api/rosters/{roster_id}/overrides/{override_id}/end", {
        params: { path: { roster_id, override_id } },
      }),
    ),
  swap: (id: string, body: Schemas["SwapNew"]) =>
    answer(client.POST("/api/rosters/{roster_id}/swaps", { ...roster(id), body })),
  answerSwap: (roster_id: string, swap_id: string, said: Schemas["SwapAnswer"]["answer"]) =>
    answer(
      client.POST("/api/rosters/{roster_id}/swaps/{swap_id}/answer", {
        params: { path: { roster_id, swap_id } },
        body: { answer: said },
      }),
    ),
  ladders: () => answer(client.GET("/api/ladders")),
  ladderHistory: () => answer(client.GET("/api/ladders/history")),
  saveLadders: (body: LaddersSave) => answer(client.PUT("/api/ladders", { body })),
  preview: (body: PreviewAsk) => answer(client.POST("/api/ladders/preview", { body })),
  handover: (id: string, t_ms: number | null) =>
    answer(
      client.GET("/api/handover/{roster_id}", {
        params: { path: { roster_id: id }, query: t_ms === null ? {} : { t_ms } },
      }),
    ),
  signNote: (id: string, body: Schemas["NoteNew"]) =>
    answer(client.POST("/api/handover/{roster_id}/notes", { ...roster(id), body })),
  report: (from_ms: number, to_ms: number) =>
    answer(client.GET("/api/reports", { params: { query: { from_ms, to_ms } } })),
  missed: (patient_id: string) =>
    answer(client.GET("/api/patients/{patient_id}/missed", { params: { path: { patient_id } } })),
  markMissed: (patient_id: string, body: Schemas["MissedNew"]) =>
    answer(client.POST("/api/patients/{patient_id}/missed", { params: { path: { patient_id } }, body })),
  undoMissed: (patient_id: string, missed_id: string, why: string) =>
    answer(
      client.POST("/api/patients/{patient_id}/missed/{missed_id}/undo", {
        params: { path: { patient_id, missed_id } },
        body: { why },
      }),
    ),
};

export const DAYS = 28;
const MINUTE = 60_000;

/// None of these has events of its own: they are asked for again now and then, and after every act.
export const onCallQuery = queryOptions({
  queryKey: ["oncall"],
  queryFn: () => ask.onCall(DAYS),
  refetchInterval: MINUTE,
});
export const laddersQuery = queryOptions({ queryKey: ["ladders"], queryFn: ask.ladders });

/// An act of these pages: spoken when it is done, and what it changed is fetched anew.
export function useDo<T>(act: (what: T) => Promise<unknown>, changed: string[], done: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    networkMode: "always",
    onSuccess: () => {
      say("polite", done);
      for (const key of changed) void queries.invalidateQueries({ queryKey: [key] });
    },
  });
}

/// Whoever saved first is named; all else is the server's own sentence.
export const whyNot = (error: unknown, words: AllWords): string =>
  error instanceof Refused && error.conflict?.who ? words.rota.overtaken(error.conflict.who) : explain(error, words);

/// A moment as `<input type="datetime-local">` has it, by the browser's clock.
export function toInput(t_ms: number): string {
  const there = new Date(t_ms - new Date(t_ms).getTimezoneOffset() * MINUTE);
  return there.toISOString().slice(0, 16);
}

/// NaN for what is no time.
export const fromInput = (text: string): number => new Date(text).getTime();

export const dayOf = (t_ms: number): string => toInput(t_ms).slice(0, 10);

export function useRole(): (role: string) => string {
  const words = useRoomWords();
  return (role) => words.rota.roles[role] ?? role;
}
