/// The worklist: one row per patient, the one who needs somebody most at the top.
import { Button } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import {
  type ComponentProps, type KeyboardEvent, type ReactElement, memo, useLayoutEffect, useRef, useState,
} from "react";
import { useLocation } from "wouter";
import { useAct } from "../acts";
import type { AlarmBrief, PatientBrief, WorklistRow } from "../api";
import { useNow } from "../clock";
import { DeedDialog } from "../deeds/later";
import { type Deed, mayDo } from "../deeds/may";
import { useWords } from "../i18n";
import { KeysHint, useKeys } from "../keys";
import { useLater } from "../later";
import { FailedToLoad, NotRenewed, useTitle } from "../parts";
import { Printed } from "../printed";
import { sessionQuery, worklistQuery } from "../queries";
import { CalmRow } from "./calm";
import { useChanged } from "./changed";
import { useFilteredRows } from "./filtering";
import { FilterBar, SEARCH_ID } from "./filters";
import { useHeldOrder } from "./held";
import { LongList, isLong, useWhole } from "./long";
import { GROUPS, type Group, type Shown, toAcknowledge } from "./order";
import { Row } from "./row";

export function WorklistPage() {
  const words = useWords();
  useTitle(words.worklist.title);
  const list = useQuery(worklistQuery);
  const found = useFilteredRows();
  return (
    <div className="page worklist">
      <div className="page-head">
        <h1>{words.worklist.title}</h1>
        <p className="lead">{words.worklist.order}</p>
        <KeysHint keys={words.worklist.keys} />
      </div>
      <Printed />
      {list.data && <NotRenewed query={list} />}
      {list.data && found && <FilterBar rows={list.data.rows} found={found} />}
      {found && <Rows rows={found.shown} />}
      {!list.data && list.isError && <FailedToLoad error={list.error} retry={() => void list.refetch()} />}
      {!list.data && !list.isError && <p className="loading">{words.shell.loading}</p>}
    </div>
  );
}

const MINUTE_MS = 60_000;
const MANY = 100;
const ALARMED_PX = 150;
const CALM_PX = 33;
const GAP_PX = 6;

/// Drawn anew when something in it is new: hundreds of rows stand still while one changes.
const Alarmed = memo(
  Row,
  (a: ComponentProps<typeof Row>, b: ComponentProps<typeof Row>) =>
    a.row === b.row &&
    a.now === b.now &&
    a.changed === b.changed &&
    a.act.status === b.act.status &&
    a.act.variables === b.act.variables,
);

const focusedId = (): string | null =>
  document.activeElement?.closest<HTMLElement>("[data-patient]")?.dataset.patient ?? null;

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

function Rows({ rows }: { rows: readonly WorklistRow[] }) {
  const words = useWords();
  const second = useNow();
  const { whole, drawAll } = useWhole();
  const [, go] = useLocation();
  const { order, fresh, worse, list, release } = useHeldOrder(rows);
  const changed = useChanged(rows);
  const act = useAct();
  const { data: me } = useQuery(sessionQuery);
  const [asking, ask] = useState<{ deed: Deed; alarm: AlarmBrief; patient: PatientBrief } | null>(null);
  const element = useRef<HTMLDivElement>(null);
  useLater();
  const byId = new Map(rows.map((row) => [row.patient.id, row]));
  const ids = GROUPS.flatMap((group) => order[group]);
  // Hundreds of rows tell ages in minutes, and are drawn anew no oftener than that.
  const minute = Math.floor(second / MINUTE_MS) * MINUTE_MS;
  const now = whole && ids.length > MANY ? minute : second;

  const [pinned, pin] = useState<string | null>(null);
  const wanted = useRef<string | null>(null);
  const focusWanted = () => {
    if (wanted.current === null) return;
    const row = element.current?.querySelector<HTMLElement>(`[data-patient="${CSS.escape(wanted.current)}"]`);
    if (!row) return;
    wanted.current = null;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };
  // At once where the row is drawn, and else when it is.
  const focus = (id: string | undefined) => {
    wanted.current = id ?? null;
    pin(id ?? null);
    focusWanted();
  };
  // Before anything else can happen: an effect that is still on its way would find the row where it stood.
  useLayoutEffect(focusWanted);

  const move = (step: 1 | -1) => {
    const at = ids.indexOf(focusedId() ?? "");
    focus(at < 0 ? (step > 0 ? ids[0] : ids.at(-1)) : ids[Math.min(ids.length - 1, Math.max(0, at + step))]);
  };
  const onFocused = (deed: Deed) => {
    const row = byId.get(focusedId() ?? "");
    if (!row) return;
    const may = (one: AlarmBrief | null) => one && mayDo(one, deed, me?.name ?? "", now);
    // What a colleague has set aside is taken by its own button, never by a letter.
    const alarm = deed === "acknowledge" ? toAcknowledge(row) : [row.clinical, row.technical].find(may);
    if (!alarm) return;
    if (deed !== "undo" && deed !== "acknowledge") ask({ deed, alarm, patient: row.patient });
    else if (!act.isPending) act.mutate({ kind: deed, alarm: alarm.id });
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ...Object.fromEntries(Object.entries(LETTERS).map(([key, deed]) => [key, () => onFocused(deed)])),
    "/": () => document.getElementById(SEARCH_ID)?.focus(),
  });

  const enter = (event: KeyboardEvent<HTMLElement>) => {
    const id = (event.target as HTMLElement).dataset.patient;
    if (event.key === "Enter" && id) go(`/patient/${id}`);
  };
  const showFresh = () => {
    release();
    // Where it is now it is about to move from: it gets the focus where it will stand.
    wanted.current = (fresh[0] ?? worse[0])?.patient.id ?? null;
    pin(wanted.current);
  };
  const alarmed = (id: string) => (
    <Alarmed key={id} row={byId.get(id) as WorklistRow} now={now} changed={changed.has(id)} act={act} />
  );
  const calm = (id: string) => <CalmRow key={id} row={byId.get(id) as WorklistRow} now={minute} />;
  const section = (group: Group, title: string, none: string) => (
    <Section id={group} title={title} none={none} count={order[group].length}>
      <LongList
        className={`rows rows-${group}`}
        ids={order[group]}
        draw={group === "calm" ? calm : alarmed}
        height={group === "calm" ? CALM_PX : ALARMED_PX}
        gap={group === "calm" ? 0 : GAP_PX}
        pinned={pinned}
        whole={whole}
      />
    </Section>
  );

  return (
    <div
      ref={element}
      {...list}
      onFocus={() => {
        list.onFocus();
        pin(focusedId());
      }}
      onKeyDown={enter}
    >
      <Fresh fresh={fresh} worse={worse} show={showFresh} />
      {section("clinical", words.worklist.clinical, words.worklist.noneClinical)}
      {section("technical", words.worklist.technical, words.worklist.noneTechnical)}
      {order.question.length > 0 && section("question", words.question.title, "")}
      {section("calm", words.worklist.calm, words.worklist.noneCalm)}
      {!whole && GROUPS.some((group) => isLong(order[group].length)) && (
        <p className="draw-all">
          <Button size="xsmall" variant="tertiary" data-color="neutral" onClick={drawAll}>
            {words.screens.long.all(ids.length)}
          </Button>
        </p>
      )}
      {asking && <DeedDialog {...asking} done={() => ask(null)} />}
    </div>
  );
}

interface FreshProps extends Pick<Shown, "fresh" | "worse"> {
  show: () => void;
}

/// Who has come, or become worse, while the list was held still. It lies over the list and moves nothing.
function Fresh({ fresh, worse, show }: FreshProps) {
  const { worklist } = useWords();
  const names = (rows: readonly WorklistRow[]) => rows.map((row) => row.patient.name).join(", ");
  const news = [
    fresh.length > 0 && `${worklist.newRows(fresh.length)}: ${names(fresh)}`,
    worse.length > 0 && `${worklist.worseRows(worse.length)}: ${names(worse)}`,
  ].filter(Boolean);
  return (
    <div className="fresh" role="status">
      {news.length > 0 && (
        <Button size="small" onClick={show} title={worklist.newRowsWhat}>
          {news.join(" · ")}
        </Button>
      )}
    </div>
  );
}

interface SectionProps {
  id: Group;
  title: string;
  none: string;
  count: number;
  children: ReactElement;
}

function Section({ id, title, none, count, children }: SectionProps) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>
        {title} <span className="tally">{count}</span>
      </h2>
      {count > 0 ? children : <p className="none">{none}</p>}
    </section>
  );
}
