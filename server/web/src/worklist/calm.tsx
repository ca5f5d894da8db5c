/// One patient without an alarm, on one line.
import { memo } from "react";
import { Link } from "wouter";
import type { WorklistRow } from "../api";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { wished } from "../wishes";
import { forTheList } from "./order";
import { ViewedBy, reviewWord } from "./since";

interface CalmRowProps {
  row: WorklistRow;
  now: number;
}

export const CalmRow = memo(function CalmRow({ row, now }: CalmRowProps) {
  const words = useWords();
  const inWords = useSay();
  const { patient } = row;
  const reviewed = reviewWord(row, now, words);
  return (
    <li className="row-line" data-patient={patient.id} tabIndex={-1} aria-label={patient.name}>
      <Link className="name" href={`/patient/${patient.id}`}>
        {patient.name}
      </Link>
      <span>{patient.place}</span>
      <span>{inWords(patient.programme)}</span>
      <span className="line-values">
        {forTheList(row).map((value) => {
          const shown = `${format.number(value.value, value.decimals)} ${value.unit}`;
          return (
            <span key={value.channel}>
              {inWords(value.label)} {value.stale ? <s>{shown}</s> : <b>{shown}</b>}
              {value.late && ` (${words.value.came(format.when(value.arrived_ms, now))})`}
            </span>
          );
        })}
      </span>
      <span className="line-age">
        {row.last_reading_ms === null ? words.worklist.noReading : words.ago(format.span(now - row.last_reading_ms))}
        {row.gateway_online === false && ` · ${words.worklist.gatewayDown}`}
        {reviewed && ` · ${reviewed}`}
        {wished(row.wishes, now, words, inWords).map(({ text }) => ` · ${text}`)}
        <ViewedBy patient={patient.id} />
      </span>
    </li>
  );
});
