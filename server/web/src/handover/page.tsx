/// What one shift hands over to the next, on the screen and on paper.
import { PrinterSmallIcon } from "@navikt/aksel-icons";
import { Button, Select, Textarea } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useLocation } from "wouter";
import { useNow } from "../clock";
import * as format from "../format";
import { useRoomWords, useSay } from "../i18n";
import { type Handover, type HandoverAlarm, ask, useDo, useRole, whyNot } from "../oncall/asks";
import "../oncall/rota.css";
import { Fetched, Notice, PriorityTag, useTitle } from "../parts";
import { sessionQuery } from "../queries";

const RENEW_MS = 30_000;

export default function HandoverPage({ roster }: { roster: string | null }) {
  const words = useRoomWords();
  const [at, setAt] = useState<number | null>(null);
  const user = useQuery(sessionQuery).data;
  const id = roster ?? (user && user.role !== "administrator" ? user.role : "nurse");
  const page = useQuery({
    queryKey: ["handover", id, at],
    queryFn: () => ask.handover(id, at),
    refetchInterval: RENEW_MS,
    placeholderData: (before) => before,
  });
  useTitle(words.rota.handover.title);
  return (
    <div className="page rota handover">
      {!page.data && <h1>{words.rota.handover.title}</h1>}
      <Fetched query={page}>
        {(data) => <Shift page={data} go={setAt} past={at !== null} name={user?.name ?? ""} />}
      </Fetched>
    </div>
  );
}

interface ShiftProps {
  page: Handover;
  go: (t_ms: number | null) => void;
  past: boolean;
  name: string;
}

/// Put off or sent on, whatever the word for it: it is with nobody here, and the sender keeps sight of it.
const isAside = (one: HandoverAlarm): boolean =>
  one.aside !== null || !["raised", "notified", "acknowledged", "assessed"].includes(one.state);

function Shift({ page, go, past, name }: ShiftProps) {
  const words = useRoomWords();
  const H = words.rota.handover;
  const role = useRole();
  const [, visit] = useLocation();
  const { shift, before, after } = page;
  return (
    <>
      <div className="page-head">
        <h1>{H.title}</h1>
        <p className="lead">
          {role(page.name)}, {format.dateTime(shift.from_ms)} – {format.dateTime(shift.to_ms)}
        </p>
        <p className="actions">
          <Button size="small" variant="secondary" icon={<PrinterSmallIcon aria-hidden />} onClick={() => window.print()}>
            {H.print}
          </Button>
        </p>
      </div>
      <div className="card handover-head">
        <Select size="small" label={H.roster} value={page.roster} onChange={(event) => visit(`/handover/${event.target.value}`)}>
          {page.rosters.map((one) => (
            <option key={one.id} value={one.id}>
              {role(one.name)}
            </option>
          ))}
        </Select>
        <dl className="facts">
          <div>
            <dt>{H.onNow}</dt>
            <dd>
              <b>{page.rostered ? shift.names.join(", ") || words.rota.nobody : H.unrostered}</b>
            </dd>
          </div>
          {after && (
            <div>
              <dt>{H.comesOn}</dt>
              <dd>
                <b>{after.names.join(", ") || words.rota.nobody}</b> {format.dateTime(after.from_ms)}
              </dd>
            </div>
          )}
        </dl>
        <p className="actions">
          <Button size="small" variant="tertiary" disabled={!before} onClick={() => before && go(before.from_ms)}>
            {H.before}
          </Button>
          <Button size="small" variant="tertiary" disabled={!past || !after} onClick={() => after && go(after.to_ms > page.now_ms ? null : after.from_ms)}>
            {H.after}
          </Button>
        </p>
      </div>
      <Open id="open" title={H.open} none={H.noneOpen} alarms={page.open.filter((one) => !isAside(one))} />
      <Open id="aside" title={H.aside} none={H.noneAside} alarms={page.open.filter(isAside)} />
      <Notes page={page} name={name} past={past} />
      <div className="rota-columns">
        <Ended id="raised" title={H.raised} alarms={page.raised} closed={false} />
        <Ended id="closed" title={H.closed} alarms={page.closed} closed />
      </div>
      <Deeds page={page} />
    </>
  );
}

function Open({ id, title, none, alarms }: { id: string; title: string; none: string; alarms: HandoverAlarm[] }) {
  const words = useRoomWords();
  const H = words.rota.handover;
  const say = useSay();
  const now = useNow(60_000);
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>
        {title} <span className="tally">{alarms.length}</span>
      </h2>
      {alarms.length === 0 ? (
        <p className="none">{none}</p>
      ) : (
        <div className="card">
          <table className="table" aria-labelledby={id}>
            <thead>
              <tr>
                <th scope="col">{H.priority}</th>
                <th scope="col">{H.patient}</th>
                <th scope="col">{H.why}</th>
                <th scope="col">{H.state}</th>
                <th scope="col">{H.owner}</th>
                <th scope="col">{H.since}</th>
              </tr>
            </thead>
            <tbody>
              {alarms.map((one) => (
                <tr key={one.id}>
                  <td>
                    <PriorityTag alarm={one} />
                  </td>
                  <th scope="row">
                    <Link href={`/patient/${one.patient.id}`}>{one.patient.name}</Link>
                  </th>
                  <td>
                    {one.why && say(one.why)}
                    {one.aside && <span className="hint block">{say(one.aside)}</span>}
                  </td>
                  <td>{H.states[one.state] ?? one.state}</td>
                  <td>{one.owner ?? H.nobody}</td>
                  <td>{format.when(one.raised_ms, now)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Ended({ id, title, alarms, closed }: { id: string; title: string; alarms: HandoverAlarm[]; closed: boolean }) {
  const words = useRoomWords();
  const H = words.rota.handover;
  const say = useSay();
  const now = useNow(60_000);
  const named = (table: Record<string, string>, word: string | null) => (word && (table[word] ?? word)) || "";
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>
        {title} <span className="tally">{alarms.length}</span>
      </h2>
      {alarms.length === 0 && <p className="none">{H.none}</p>}
      <ul className="lines card" hidden={alarms.length === 0}>
        {alarms.map((one) => (
          <li key={one.id}>
            <time>{format.when((closed ? one.closed_ms : one.raised_ms) ?? 0, now)}</time> <b>{one.patient.name}</b>{" "}
            {closed ? (
              <span>
                {[named(words.act.actions, one.action), named(words.act.outcomes, one.outcome)].filter(Boolean).join(". ")}
                {one.closed_by && ` (${one.closed_by})`}
                {one.note && ` – ${one.note}`}
              </span>
            ) : (
              <span>{one.why && say(one.why)}</span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Deeds({ page }: { page: Handover }) {
  const words = useRoomWords();
  const H = words.rota.handover;
  const say = useSay();
  const now = useNow(60_000);
  return (
    <section aria-labelledby="deeds">
      <h2 id="deeds">{H.deeds}</h2>
      {page.deeds.length === 0 && <p className="none">{H.none}</p>}
      <ul className="lines card" hidden={page.deeds.length === 0}>
        {page.deeds.map((one, n) => (
          <li key={n}>
            <time>{format.when(one.t_ms, now)}</time> <b>{one.patient}</b> <span>{say(one.text)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Notes({ page, name, past }: { page: Handover; name: string; past: boolean }) {
  const words = useRoomWords();
  const H = words.rota.handover;
  const now = useNow(60_000);
  const [text, setText] = useState("");
  const [about, setAbout] = useState("");
  const act = useDo(
    () => ask.signNote(page.roster, { text, patient: about || null }),
    ["handover"],
    H.signed,
  );
  const patients = new Map([...page.open, ...page.raised, ...page.closed].map((one) => [one.patient.id, one.patient.name]));
  const sign = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim()) act.mutate(undefined, { onSuccess: () => setText("") });
  };
  return (
    <section aria-labelledby="notes">
      <h2 id="notes">{H.notes}</h2>
      {page.notes.length === 0 && <p className="none">{H.noneNotes}</p>}
      <ul className="notes-list">
        {page.notes.map((one) => (
          <li key={one.id} className="card">
            {one.patient && <b>{one.patient.name}: </b>}
            {one.text}
            <span className="hint block">{H.signedBy(one.name, format.when(one.t_ms, now))}</span>
          </li>
        ))}
      </ul>
      {!past && (
        <form className="card note-form" onSubmit={sign} noValidate>
          <Textarea size="small" label={H.write} value={text} minRows={2} maxLength={4000} onChange={(event) => setText(event.target.value)} />
          <Select size="small" label={H.about} value={about} onChange={(event) => setAbout(event.target.value)}>
            <option value="">{H.aboutNobody}</option>
            {[...patients].map(([id, who]) => (
              <option key={id} value={id}>
                {who}
              </option>
            ))}
          </Select>
          {act.isError && <Notice>{whyNot(act.error, words)}</Notice>}
          <Button type="submit" size="small" loading={act.isPending}>
            {H.sign(name)}
          </Button>
        </form>
      )}
    </section>
  );
}
