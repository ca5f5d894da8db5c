/// The worklist: one row per patient, the one who needs somebody most at the top.
import { Button } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useLocation } from "wouter";
import { useAct } from "../acts";
import type { WorklistRow } from "../api";
import { useNow } from "../clock";
import { useWords } from "../i18n";
import { useKeys } from "../keys";
import { FailedToLoad, useTitle } from "../parts";
import { worklistQuery } from "../queries";
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
        <p className="keys-hint">{words.worklist.keys}</p>
      </div>
      {list.data && <Rows rows={list.data.rows} />}
      {!list.data && list.isError && <FailedToLoad error={list.error} retry={() => void list.refetch()} />}
      {!list.data && !list.isError && <p className="loading">{words.shell.loading}</p>}
    </div>
  );
}

const rowElements = (list: HTMLElement | null): HTMLElement[] => [...(list?.querySelectorAll<HTMLElement>("[data-patient]") ?? [])];

function Rows({ rows }: { rows: readonly WorklistRow[] }) {
  const words = useWords();
  const now = useNow();
  const [, go] = useLocation();
  const { order, fresh, list, release } = useHeldOrder(rows);
  const changed = useChanged(rows);
  const act = useAct();
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
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    a: () => {
      const row = byId.get(focused()?.dataset.patient ?? "");
      const alarm = row && toAcknowledge(row);
      if (alarm && !act.isPending) act.mutate({ kind: "acknowledge", alarm: alarm.id });
    },
  });

  const openOnEnter = (event: React.KeyboardEvent<HTMLElement>, id: string) => {
    if (event.key === "Enter" && event.target === event.currentTarget) go(`/patient/${id}`);
  };
  const alarmed = (group: Group, none: string) =>
    order[group].length === 0 ? (
      <p className="none">{none}</p>
    ) : (
      <ol className="rows">
        {order[group].map((id) => {
          const row = byId.get(id);
          return (
            row && (
              <Row key={id} row={row} now={now} changed={changed.has(id)} act={act} onKeyDown={(event) => openOnEnter(event, id)} />
            )
          );
        })}
      </ol>
    );

  return (
    <>
      <div className="fresh" role="status">
        {fresh.length > 0 && (
          <Button
            size="small"
            onClick={() => {
              release();
              focusFirst.current = true;
            }}
          >
            {`${words.worklist.newRows(fresh.length)}: ${fresh.map((row) => row.patient.name).join(", ")}`}
          </Button>
        )}
        {fresh.length > 0 && <span>{words.worklist.newRowsWhat}</span>}
      </div>
      <div ref={element} {...list}>
        <section aria-labelledby="clinical">
          <h2 id="clinical">
            {words.worklist.clinical} <span className="tally">{order.clinical.length}</span>
          </h2>
          {alarmed("clinical", words.worklist.noneClinical)}
        </section>
        <section aria-labelledby="technical">
          <h2 id="technical">
            {words.worklist.technical} <span className="tally">{order.technical.length}</span>
          </h2>
          {alarmed("technical", words.worklist.noneTechnical)}
        </section>
        <section aria-labelledby="calm">
          <h2 id="calm">
            {words.worklist.calm} <span className="tally">{order.calm.length}</span>
          </h2>
          {order.calm.length === 0 && <p className="none">{words.worklist.noneCalm}</p>}
          <ol className="rows rows-calm">
            {order.calm.map((id) => {
              const row = byId.get(id);
              return row && <CalmRow key={id} row={row} now={now} onKeyDown={(event) => openOnEnter(event, id)} />;
            })}
          </ol>
        </section>
      </div>
    </>
  );
}
