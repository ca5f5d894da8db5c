/// What a nurse does to an alarm. The answer is shown at once from the server's own reply; a colleague who was first is
/// named, and the truth fetched.
import { type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";
import { type AlarmView, type CloseBody, type PatientPage, Refused, type Worklist, type WorklistRow, api } from "./api";
import { say } from "./announce";
import { type Words, useWords } from "./i18n";

function inRow(row: WorklistRow, alarm: AlarmView): WorklistRow {
  const shown = alarm.state === "closed" ? null : alarm;
  if (row.clinical?.id === alarm.id) return { ...row, clinical: shown };
  if (row.technical?.id === alarm.id) return { ...row, technical: shown };
  return row;
}

function show(queries: QueryClient, alarm: AlarmView): void {
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
    const { who, detail } = error.conflict;
    return who ? words.act.conflict(who) : detail || words.act.conflictUnknown;
  }
  if (error.status === 429) return words.failed.tooMany;
  if (error.status === 403) return words.failed.forbidden;
  return error.message || words.failed.status(error.status);
}

export type Act =
  | { kind: "acknowledge"; alarm: string }
  | { kind: "escalate"; alarm: string; note: string }
  | { kind: "close"; alarm: string; body: CloseBody };

const send = (act: Act): Promise<AlarmView> => {
  if (act.kind === "acknowledge") return api.acknowledge(act.alarm);
  return act.kind === "escalate" ? api.escalate(act.alarm, act.note) : api.close(act.alarm, act.body);
};

export function useAct() {
  const queries = useQueryClient();
  const words = useWords();
  return useMutation({
    mutationFn: send,
    networkMode: "always",
    onSuccess: (alarm, act) => {
      show(queries, alarm);
      const done = {
        acknowledge: words.act.taken(alarm.patient.name),
        escalate: words.act.escalated,
        close: words.act.closed,
      };
      say("polite", done[act.kind]);
      void queries.invalidateQueries({ queryKey: ["patient", alarm.patient.id] });
    },
    onError: (error) => {
      if (!(error instanceof Refused)) return;
      void queries.invalidateQueries({ queryKey: ["worklist"] });
      void queries.invalidateQueries({ queryKey: ["patient"] });
      if (error.status === 401) void queries.invalidateQueries({ queryKey: ["session"] });
    },
  });
}
