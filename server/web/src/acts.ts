/// What a nurse does to an alarm. The answer is shown at once from the server's own reply; a colleague who was first is
/// named, and the truth fetched.
import { type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";
import {
  type AlarmBrief,
  type AlarmView,
  type AssessBody,
  type CloseBody,
  type HandOverBody,
  type PatientPage,
  Refused,
  type SendBody,
  type SnoozeBody,
  type User,
  type Worklist,
  type WorklistRow,
  api,
} from "./api";
import * as format from "./format";
import { nowMs } from "./clock";
import { say } from "./announce";
import { rowsSince } from "./live";
import { type Words, useWords } from "./i18n";

function inRow(row: WorklistRow, alarm: AlarmView): WorklistRow {
  const shown = alarm.state === "closed" ? null : alarm;
  if (row.clinical?.id === alarm.id) return { ...row, clinical: shown };
  if (row.technical?.id === alarm.id) return { ...row, technical: shown };
  return row;
}

/// What became of an alarm, as the answer says it. The stream has told of it too: where a row came since the act was
/// sent, that may be newer than the answer, and the row is the stream's.
function show(queries: QueryClient, alarm: AlarmView, sentWallMs: number): void {
  if (!rowsSince(sentWallMs).some((row) => row.patient.id === alarm.patient.id))
    queries.setQueryData<Worklist>(
      ["worklist"],
      (list) => list && { ...list, rows: list.rows.map((row) => inRow(row, alarm)) },
    );
  queries.setQueryData<PatientPage>(
    ["patient", alarm.patient.id],
    (page) => page && { ...page, alarms: page.alarms.map((old) => (old.id === alarm.id ? alarm : old)) },
  );
}

/// One sentence on what went wrong with `error` and what to do.
export function explain(error: unknown, words: Words): string {
  if (!(error instanceof Refused)) return words.failed.offline;
  if (error.conflict) {
    const { who, detail, t_ms, found } = error.conflict;
    if (found?.length) return words.act.foundSince; // Not each conflict is an alarm's.
    if (who && t_ms) return words.act.over(who, format.when(t_ms, 0));
    return who ? words.act.conflict(who) : detail || words.act.conflictUnknown;
  }
  if (error.status === 429) return words.failed.tooMany;
  if (error.status === 403) return words.failed.forbidden;
  return error.message || words.failed.status(error.status);
}

export type Act =
  | { kind: "acknowledge"; alarm: string }
  | { kind: "undo"; alarm: string }
  | { kind: "escalate"; alarm: string; note: string }
  | { kind: "assess"; alarm: string; body: AssessBody }
  | { kind: "snooze"; alarm: string; body: SnoozeBody }
  | { kind: "hand_over"; alarm: string; body: HandOverBody }
  | { kind: "send"; alarm: string; body: SendBody }
  | { kind: "reopen"; alarm: string; why: string }
  | { kind: "close"; alarm: string; body: CloseBody };

function send(act: Act): Promise<AlarmView> {
  switch (act.kind) {
    case "acknowledge":
      return api.acknowledge(act.alarm);
    case "undo":
      return api.undo(act.alarm);
    case "escalate":
      return api.escalate(act.alarm, act.note);
    case "assess":
      return api.assess(act.alarm, act.body);
    case "snooze":
      return api.snooze(act.alarm, act.body);
    case "hand_over":
      return api.handOver(act.alarm, act.body);
    case "send":
      return api.send(act.alarm, act.body);
    case "reopen":
      return api.reopen(act.alarm, act.why);
    case "close":
      return api.close(act.alarm, act.body);
  }
}

/// An acknowledgement is shown before the server has answered: as taken by whoever is signed in. What it really became
/// follows with the answer; where there is none or a refusal, that alarm alone is as it was: what the stream has told
/// meanwhile stays.
function shownAtOnce(queries: QueryClient, act: Act): () => void {
  const me = queries.getQueryData<User | null>(["session"]);
  if (act.kind !== "acknowledge" || !me) return () => undefined;
  const guess: Taken = { state: "acknowledged", acknowledged_by: me.name, acknowledged_ms: nowMs(), parked: null };
  let was: Taken | undefined;
  everywhere(queries, (alarm) => {
    if (alarm.id !== act.alarm) return alarm;
    const { state, acknowledged_by, acknowledged_ms, parked } = alarm;
    was ??= { state, acknowledged_by, acknowledged_ms, parked };
    return { ...alarm, ...guess };
  });
  return () =>
    everywhere(queries, (alarm) =>
      was && alarm.id === act.alarm && alarm.acknowledged_ms === guess.acknowledged_ms ? { ...alarm, ...was } : alarm,
    );
}

type Taken = Pick<AlarmBrief, "state" | "acknowledged_by" | "acknowledged_ms" | "parked">;

/// Every alarm that is shown on the list and on patients' pages, changed.
function everywhere(queries: QueryClient, change: <A extends AlarmBrief>(alarm: A) => A): void {
  queries.setQueryData<Worklist>(
    ["worklist"],
    (list) =>
      list && {
        ...list,
        rows: list.rows.map((row) => ({
          ...row,
          clinical: row.clinical && change(row.clinical),
          technical: row.technical && change(row.technical),
        })),
      },
  );
  queries.setQueriesData<PatientPage>({ queryKey: ["patient"] }, (page) => {
    return page?.alarms && { ...page, alarms: page.alarms.map((alarm) => change(alarm)) };
  });
}

export function useAct() {
  const queries = useQueryClient();
  const words = useWords();
  return useMutation({
    mutationFn: send,
    networkMode: "always",
    onMutate: (act) => ({ sentWallMs: performance.now(), takeBack: shownAtOnce(queries, act) }),
    onSuccess: (alarm, act, { sentWallMs }) => {
      show(queries, alarm, sentWallMs);
      const done: Record<Act["kind"], string> = {
        ...words.life.done,
        acknowledge: words.act.taken(alarm.patient.name),
        escalate: words.act.escalated,
        close: words.act.closed,
      };
      say("polite", done[act.kind]);
      void queries.invalidateQueries({ queryKey: ["patient", alarm.patient.id] });
      void queries.invalidateQueries({ queryKey: ["cases"] });
    },
    onError: (error, _act, sent) => {
      sent?.takeBack();
      // Refused because of what is not shown yet; or unanswered, and then nobody knows whether it was done.
      void queries.invalidateQueries({ queryKey: ["worklist"] });
      void queries.invalidateQueries({ queryKey: ["patient"] });
      if (error instanceof Refused && error.status === 401) void queries.invalidateQueries({ queryKey: ["session"] });
    },
  });
}
