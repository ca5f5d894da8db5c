/// A roster as a form, for an administrator: shifts that come again and who takes turns in them, and what it was before.
import { Button, Checkbox, CheckboxGroup, Select, TextField } from "@navikt/ds-react";
import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useLocation } from "wouter";
import * as format from "../format";
import { useRoomWords } from "../i18n";
import { FailedToLoad, NotFound, Notice, useTitle } from "../parts";
import { type OnCall, type Pattern, type RosterSave, type RosterView, ask, dayOf, onCallQuery, useDo, whyNot } from "./asks";
import { InOrder } from "./inorder";
import { Locked } from "./locked";
import "./rota.css";
import { WhenField } from "./when";

const NEW = "new";

export default function RosterEditor({ id }: { id: string }) {
  const page = useQuery(onCallQuery);
  const roster = page.data?.rosters.find((one) => one.id === id);
  // A blank form there would make another roster of whoever opened an old link.
  if (page.data && !roster && id !== NEW) return <NotFound />;
  return <Editor page={page} roster={roster ?? null} />;
}

function Editor({ page, roster }: { page: UseQueryResult<OnCall>; roster: RosterView | null }) {
  const words = useRoomWords();
  const title = roster ? words.rota.editor.title(roster.name) : words.rota.editor.titleNew;
  useTitle(title);
  return (
    <div className="page rota">
      <div className="page-head">
        <h1>{title}</h1>
        <Link href="/oncall">{words.rota.editor.back}</Link>
      </div>
      {page.isError && !page.data && <FailedToLoad error={page.error} retry={() => void page.refetch()} />}
      {page.data && <Form key={roster?.version ?? 0} page={page.data} roster={roster} />}
      {roster && <History id={roster.id} />}
    </div>
  );
}

const blank = (now: number, name: string): Pattern => ({
  name,
  people: [],
  first: dayOf(now),
  begins: "08:00",
  ends: "08:00",
  days: 1,
  weekdays: [0, 1, 2, 3, 4, 5, 6],
  turn: "shift",
  last: null,
});

function Form({ page, roster }: { page: OnCall; roster: RosterView | null }) {
  const words = useRoomWords();
  const [, go] = useLocation();
  const [id, setId] = useState(roster?.id ?? "");
  const [said, setSaid] = useState<RosterSave>({
    version: roster?.version ?? 0,
    name: roster?.name ?? "",
    role: roster?.role ?? "nurse",
    organisation: roster?.organisation ?? (page.shared ? "" : (page.organisations[0]?.id ?? "")),
    patterns: roster?.patterns ?? [blank(page.now_ms, "1")],
    fixed: roster?.fixed ?? [],
  });
  const act = useDo((body: RosterSave) => ask.saveRoster(id || NEW, body), ["oncall", "roster"], words.rota.saved);
  const put = (more: Partial<RosterSave>) => setSaid({ ...said, ...more });
  const pattern = (n: number, more: Partial<Pattern>) =>
    put({ patterns: said.patterns.map((one, at) => (at === n ? { ...one, ...more } : one)) });
  const send = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(said, { onSuccess: () => go("/oncall") });
  };
  const on = new Set([...said.patterns.flatMap((one) => one.people), ...(said.fixed ?? []).map((one) => one.staff)]);
  const locked = page.people.filter((one) => one.locked && on.has(one.id)).map((one) => one.name);
  return (
    <form className="rota-form" onSubmit={send} noValidate>
      <div className="card fields four">
        {roster === null && (
          <TextField
            size="small"
            label={words.rota.editor.id}
            description={words.rota.editor.idWhat}
            value={id}
            onChange={(event) => setId(event.target.value)}
          />
        )}
        <TextField size="small" label={words.rota.editor.name} value={said.name} onChange={(event) => put({ name: event.target.value })} />
        <Select
          size="small"
          label={words.rota.editor.role}
          value={said.role}
          onChange={(event) => put({ role: event.target.value as RosterSave["role"] })}
        >
          {(["nurse", "doctor", "specialist", "administrator"] as const).map((role) => (
            <option key={role} value={role}>
              {words.rota.roles[role]}
            </option>
          ))}
        </Select>
        {page.organisations.length > 0 && (
          <Select
            size="small"
            label={words.rota.editor.organisation}
            value={said.organisation}
            onChange={(event) => put({ organisation: event.target.value })}
          >
            {page.shared && <option value="">{words.rota.editor.allOrganisations}</option>}
            {page.organisations.map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </Select>
        )}
      </div>
      {said.patterns.map((one, n) => (
        <Shift
          key={n}
          page={page}
          pattern={one}
          put={(more) => pattern(n, more)}
          remove={() => put({ patterns: said.patterns.filter((_, at) => at !== n) })}
        />
      ))}
      {said.fixed && said.fixed.length > 0 && (
        <section className="card" aria-labelledby="fixed">
          <h2 id="fixed">{words.rota.editor.fixed}</h2>
          <ul className="lines">
            {said.fixed.map((one, n) => {
              const name = page.called[one.staff] ?? one.staff;
              return (
                <li key={n}>
                  <b>{name}</b>{" "}
                  {one.from_ms === null && one.to_ms === null
                    ? words.rota.editor.always
                    : words.rota.oncall.gap(
                        one.from_ms == null ? "" : format.dateTime(one.from_ms),
                        one.to_ms == null ? "" : format.dateTime(one.to_ms),
                      )}
                  <Button
                    type="button"
                    size="xsmall"
                    variant="tertiary"
                    onClick={() => put({ fixed: said.fixed?.filter((_, at) => at !== n) ?? [] })}
                  >
                    {words.rota.remove}
                    <span className="aksel-sr-only"> {name}</span>
                  </Button>
                </li>
              );
            })}
          </ul>
        </section>
      )}
      <Locked names={locked} />
      {act.isError && (
        <Notice>
          <p>{whyNot(act.error, words)}</p>
        </Notice>
      )}
      <p className="actions">
        <Button type="submit" size="small" loading={act.isPending}>
          {words.rota.save}
        </Button>
        <Button
          type="button"
          size="small"
          variant="secondary"
          onClick={() => put({ patterns: [...said.patterns, blank(page.now_ms, String(said.patterns.length + 1))] })}
        >
          {words.rota.editor.addShift}
        </Button>
        <span className="hint">{words.rota.notPast}</span>
      </p>
    </form>
  );
}

interface ShiftProps {
  page: OnCall;
  pattern: Pattern;
  put: (more: Partial<Pattern>) => void;
  remove: () => void;
}

function Shift({ page, pattern, put, remove }: ShiftProps) {
  const words = useRoomWords();
  const called = (id: string) => page.called[id] ?? page.people.find((one) => one.id === id)?.name ?? id;
  return (
    <fieldset className="card shift">
      <legend>{words.rota.editor.shift(pattern.name)}</legend>
      <div className="fields four">
        <TextField size="small" label={words.rota.editor.shiftName} value={pattern.name} onChange={(event) => put({ name: event.target.value })} />
        <TextField size="small" type="time" label={words.rota.editor.begins} value={pattern.begins} onChange={(event) => put({ begins: event.target.value })} />
        <TextField size="small" type="time" label={words.rota.editor.ends} value={pattern.ends} onChange={(event) => put({ ends: event.target.value })} />
        <TextField
          size="small"
          type="number"
          min={0}
          max={28}
          label={words.rota.editor.days}
          value={String(pattern.days)}
          onChange={(event) => put({ days: Number(event.target.value) })}
        />
        <WhenField type="date" label={words.rota.editor.first} value={pattern.first} onChange={(event) => put({ first: event.target.value })} />
        <WhenField
          type="date"
          label={words.rota.editor.last}
          description={words.rota.editor.lastWhat}
          value={pattern.last ?? ""}
          onChange={(event) => put({ last: event.target.value || null })}
        />
        <Select size="small" label={words.rota.editor.turn} value={pattern.turn} onChange={(event) => put({ turn: event.target.value as Pattern["turn"] })}>
          <option value="shift">{words.rota.editor.turns.shift}</option>
          <option value="week">{words.rota.editor.turns.week}</option>
        </Select>
      </div>
      <CheckboxGroup
        size="small"
        className="weekdays"
        legend={words.rota.editor.weekdays}
        value={pattern.weekdays}
        onChange={(days: number[]) => put({ weekdays: [...days].sort() })}
      >
        {words.rota.weekdays.map((day, n) => (
          <Checkbox key={day} value={n}>
            {day}
          </Checkbox>
        ))}
      </CheckboxGroup>
      <InOrder label={words.rota.editor.people} items={pattern.people} called={called} put={(people) => put({ people })} />
      <Select
        size="small"
        label={words.rota.editor.addPerson}
        value=""
        onChange={(event) => event.target.value && put({ people: [...pattern.people, event.target.value] })}
      >
        <option value="">{words.rota.choose}</option>
        {page.people
          .filter((one) => !pattern.people.includes(one.id))
          .map((one) => (
            <option key={one.id} value={one.id}>
              {one.name} ({words.role[one.role]}
              {one.reachable ? "" : `, ${words.rota.editor.unreachable}`}
              {one.locked && `, ${words.rota.editor.locked}`})
            </option>
          ))}
      </Select>
      <Button type="button" size="small" variant="tertiary" onClick={remove}>
        {words.rota.editor.removeShift}
        <span className="aksel-sr-only">: {pattern.name}</span>
      </Button>
    </fieldset>
  );
}

function History({ id }: { id: string }) {
  const words = useRoomWords();
  const history = useQuery({ queryKey: ["roster", id], queryFn: () => ask.rosterHistory(id) });
  return (
    <section className="card" aria-labelledby="history">
      <h2 id="history">{words.rota.editor.history}</h2>
      <ol className="lines">
        {history.data?.map((one) => (
          <li key={one.version}>
            <b>{format.dateTime(one.saved_ms)}</b> {one.saved_by || words.rota.file}
            <span className="hint">{one.patterns.map((each) => `${each.name} ${each.begins}–${each.ends}`).join(", ")}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
