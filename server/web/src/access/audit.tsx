/// Who saw this patient and did what: closed until somebody asks, then the newest first.
import { Button } from "@navikt/ds-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as format from "../format";
import { useWords } from "../i18n";
import { FailedToLoad } from "../parts";
import "./access.css";
import { type AuditRow, access } from "./api";

export function Audit({ id, now }: { id: string; now: number }) {
  const words = useWords();
  const [open, show] = useState(false);
  return (
    <section className="card audit" aria-labelledby="audit">
      <div className="audit-head">
        <h2 id="audit">{words.access.audit}</h2>
        <Button size="small" variant="tertiary" aria-expanded={open} onClick={() => show(!open)}>
          {open ? words.access.hide : words.access.show}
          <span className="aksel-sr-only"> {words.access.audit}</span>
        </Button>
      </div>
      {open && <Rows id={id} now={now} />}
    </section>
  );
}

function Rows({ id, now }: { id: string; now: number }) {
  const words = useWords();
  const audit = useInfiniteQuery({
    queryKey: ["audit", id],
    queryFn: ({ pageParam }) => access.audit(id, pageParam),
    initialPageParam: null as number | null,
    getNextPageParam: (last) => (last.more ? (last.rows.at(-1)?.id ?? null) : null),
    staleTime: 0,
  });
  if (audit.isError) return <FailedToLoad error={audit.error} retry={() => void audit.refetch()} />;
  const rows = audit.data?.pages.flatMap((page) => page.rows) ?? [];
  if (rows.length === 0) return <p className="none">{audit.isPending ? words.shell.loading : words.access.auditNone}</p>;
  return (
    <>
      <div className="scroll" role="group" aria-label={words.access.audit} tabIndex={0}>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">{words.access.when}</th>
              <th scope="col">{words.access.who}</th>
              <th scope="col">{words.access.did}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.id} row={row} now={now} />
            ))}
          </tbody>
        </table>
      </div>
      {audit.hasNextPage && (
        <Button
          size="small"
          variant="secondary"
          loading={audit.isFetchingNextPage}
          onClick={() => void audit.fetchNextPage()}
        >
          {words.access.older}
        </Button>
      )}
    </>
  );
}

function Row({ row }: { row: AuditRow; now: number }) {
  const words = useWords();
  return (
    <tr>
      <td className="num">{format.dateTime(row.t_ms)}</td>
      <td>
        {row.who}
        {row.role && <span className="role">, {words.role[row.role as keyof typeof words.role] ?? row.role}</span>}
      </td>
      <td>
        {words.access.deed(row.what)}
        {row.detail && <span className="detail">{row.detail}</span>}
        {row.withheld && <span className="detail">{words.access.withheld}</span>}
      </td>
    </tr>
  );
}
