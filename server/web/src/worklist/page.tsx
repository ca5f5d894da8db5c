/// The worklist: one row per patient, the one who needs somebody most at the top.
import { Button } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactElement, Suspense, lazy, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import { useAct } from "../acts";
import type { AlarmBrief, PatientBrief, WorklistRow } from "../api";
import { useNow } from "../clock";
import { type Deed, mayDo } from "../deeds/may";
import { useWords } from "../i18n";
import { KeysHint, useKeys } from "../keys";
import { FailedToLoad, useTitle } from "../parts";
import { sessionQuery, worklistQuery } from "../queries";
import { CalmRow } from "./calm";
import { useChanged } from "./changed";
import { useHeldOrder } from "./held";
import { type Group, toAcknowledge } from "./order";
import { Row } from "./row";

export function WorklistPage() {
  const words = useWords();
  useTitle(words.worklist.title);
  const list = useQuery(worklistQuery);
  return (
    <div className="page worklist">
      <div className="page-head">
        <h1>{words.worklist.title}</h1>
        <p className="lead">{words.worklist.order}</p>
        <KeysHint keys={words.life.keysRow} />
      </div>
      {list.data && <Rows rows={list.data.rows} />}
      {!list.data && list.isError && <FailedToLoad error={list.error} retry={() => void list.refetch()} />}
      {!list.data && !list.isError && <p className="loading">{words.shell.loading}</p>}
    </div>
  );
}

const MINUTE_MS = 60_000;

/// What the letters do to the row that has the focus.
const LETTERS: Record<string, Deed> = {
  a: "acknowledge",
  u: "undo",
  v: "assess",
  z: "snooze",
  h: "hand_over",
  e: "escalate",
  c: "close",
};

/// Dialogs are fetched when the first is opened: the list itself must be there at once.
const DeedDialog = lazy(async () => ({ default: (await import("../deeds/dialogs")).DeedDialog }));

const rowElements = (list: HTMLElement | null): HTMLElement[] => [
  ...(list?.querySelectorAll<HTMLElement>("[data-patient]") ?? []),
];

function Rows({ rows }: { rows: readonly WorklistRow[] }) {
  const words = useWords();
  const now = useNow();
  // Hundreds of quiet rows tell ages in minutes, and are drawn anew no oftener than that.
  const minute = Math.floor(now / MINUTE_MS) * MINUTE_MS;
  const [, go] = useLocation();
  const { order, fresh, list, release } = useHeldOrder(rows);
  const changed = useChanged(rows);
  const act = useAct();
  const { data: me } = useQuery(sessionQuery);
  const [asking, ask] = useState<{ deed: Deed; alarm: AlarmBrief; patient: PatientBrief } | null>(null);
  const element = useRef<HTMLDivElement>(null);
  const focusFirst = useRef(false);
  useEffect(() => {
    if (!focusFirst.current) return;
    focusFirst.current = false;
    rowElements(element.current)[0]?.focus();
  });
  const byId = new Map(rows.map((row) => [row.patient.id, row]));

  const focused = (): HTMLElement | null => document.activeElement?.closest<HTMLElement>("[data-patient]") ?? null;
  const move = (step: 1 | -1) => {
    const all = rowElements(element.current);
    const at = all.indexOf(focused() as HTMLElement);
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
    all[next]?.focus();
    all[next]?.scrollIntoView({ block: "nearest" });
  };
  const onFocused = (deed: Deed) => {
    const row = byId.get(focused()?.dataset.patient ?? "");
    if (!row || act.isPending) return;
    const may = (one: AlarmBrief | null) => one && mayDo(one, deed, me?.name ?? "", now);
    // What a colleague has set aside is taken by its own button, never by a letter.
    const alarm = deed === "acknowledge" ? toAcknowledge(row) : [row.clinical, row.technical].find(may);
    if (!alarm) return;
    if (deed === "undo" || deed === "acknowledge") act.mutate({ kind: deed, alarm: alarm.id });
    else ask({ deed, alarm, patient: row.patient });
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ...Object.fromEntries(Object.entries(LETTERS).map(([key, deed]) => [key, () => onFocused(deed)])),
  });

  const enter = (event: KeyboardEvent<HTMLElement>) => {
    const id = (event.target as HTMLElement).dataset.patient;
    if (event.key === "Enter" && id) go(`/patient/${id}`);
  };
  const known = (group: Group) => order[group].map((id) => byId.get(id)).filter((row) => row !== undefined);
  const alarmed = (group: Group) =>
    known(group).map((row) => {
      const { id } = row.patient;
      return <Row key={id} row={row} now={now} changed={changed.has(id)} act={act} />;
    });
  const showFresh = () => {
    release();
    focusFirst.current = true;
  };

  return (
    <div ref={element} {...list} onKeyDown={enter}>
      <Fresh rows={fresh} show={showFresh} />
      <Section id="clinical" title={words.worklist.clinical} none={words.worklist.noneClinical}>
        {alarmed("clinical")}
      </Section>
      <Section id="technical" title={words.worklist.technical} none={words.worklist.noneTechnical}>
        {alarmed("technical")}
      </Section>
      {order.question.length > 0 && (
        <Section id="question" title={words.question.title} none="">
          {alarmed("question")}
        </Section>
      )}
      <Section id="calm" title={words.worklist.calm} none={words.worklist.noneCalm}>
        {known("calm").map((row) => (
          <CalmRow key={row.patient.id} row={row} now={minute} />
        ))}
      </Section>
      {asking && (
        <Suspense fallback={null}>
          <DeedDialog {...asking} done={() => ask(null)} />
        </Suspense>
      )}
    </div>
  );
}

/// Who has come while the list was held still. It lies over the list and moves nothing.
function Fresh({ rows, show }: { rows: readonly WorklistRow[]; show: () => void }) {
  const words = useWords();
  return (
    <div className="fresh" role="status">
      {rows.length > 0 && (
        <Button size="small" onClick={show} title={words.worklist.newRowsWhat}>
          {`${words.worklist.newRows(rows.length)}: ${rows.map((row) => row.patient.name).join(", ")}`}
        </Button>
      )}
    </div>
  );
}

function Section({ id, title, none, children }: { id: Group; title: string; none: string; children: ReactElement[] }) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>
        {title} <span className="tally">{children.length}</span>
      </h2>
      {children.length > 0 ? <ol className={`rows rows-${id}`}>{children}</ol> : <p className="none">{none}</p>}
    </section>
  );
}
