/// On call: who is on now and next, the weeks ahead with their holes, and the ways to change them for a while.
import { Button } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import type { User } from "../api";
import { useNow } from "../clock";
import * as format from "../format";
import { useRoomWords } from "../i18n";
import { Fetched, Notice, useTitle } from "../parts";
import { DAYS, type OnCall, type RosterView, ask, fromInput, onCallQuery, toInput, useDo, useRole, whyNot } from "./asks";
import { Calendar } from "./calendar";
import { OverrideDialog, SwapDialog } from "./dialogs";
import { Locked } from "./locked";
import "./rota.css";
import { WhenField } from "./when";

export default function OnCallPage({ user }: { user: User }) {
  const words = useRoomWords();
  const page = useQuery(onCallQuery);
  useTitle(words.rota.oncall.title);
  return (
    <div className="page rota">
      <div className="page-head">
        <h1>{words.rota.oncall.title}</h1>
        {user.role === "administrator" && <Link href="/oncall/new/edit">{words.rota.oncall.make}</Link>}
      </div>
      <Fetched query={page}>{(data) => <Body page={data} user={user} />}</Fetched>
    </div>
  );
}

function Body({ page, user }: { page: OnCall; user: User }) {
  const words = useRoomWords();
  const role = useRole();
  return (
    <>
      <section aria-labelledby="now">
        <h2 id="now">{words.rota.oncall.now}</h2>
        <dl className="card answers">
          {page.roles.map((one) => (
            <div key={one.role}>
              <dt>{role(one.role)}</dt>
              <dd>
                <b>{one.names.join(", ") || (one.rostered ? words.rota.oncall.hole : words.rota.nobody)}</b>
                {!one.rostered && one.names.length > 0 && <span className="hint">{words.rota.oncall.everybody}</span>}
                <Locked names={one.locked} />
              </dd>
            </div>
          ))}
        </dl>
      </section>
      <h2>{words.rota.oncall.rosters}</h2>
      {page.rosters.length === 0 && <p className="none">{words.rota.oncall.none}</p>}
      {page.rosters
        .filter((one) => one.kept)
        .map((one) => (
          <Roster key={one.id} page={page} roster={one} user={user} />
        ))}
      <div className="rota-columns">
        <Then />
      </div>
    </>
  );
}

function Roster({ page, roster, user }: { page: OnCall; roster: RosterView; user: User }) {
  const words = useRoomWords();
  const now = useNow();
  const [overriding, override] = useState(false);
  const names = (ids: string[]) => ids.map((id) => page.called[id] ?? id).join(", ");
  const on = [...roster.now, ...(roster.next?.staff ?? [])];
  const locked = page.people.filter((one) => one.locked && on.includes(one.id)).map((one) => one.name);
  const span = (from: number, to: number) => words.rota.oncall.gap(format.when(from, now), format.when(to, now));
  return (
    <section className="card roster" aria-label={roster.name}>
      <div className="roster-head">
        <h3>
          {roster.name} <span>{words.rota.roles[roster.role]}</span>
        </h3>
        <p>
          <b>{names(roster.now) || words.rota.oncall.hole}</b>{" "}
          {roster.until_ms !== null && words.rota.oncall.until(format.when(roster.until_ms, now))}
        </p>
        {roster.next && (
          <p>
            {words.rota.oncall.next}: <b>{names(roster.next.staff) || words.rota.oncall.hole}</b>
          </p>
        )}
        <Locked names={locked} />
        <p className="actions">
          {roster.may_change && (
            <Button size="small" variant="secondary" onClick={() => override(true)}>
              {words.rota.oncall.override}
              <span className="aksel-sr-only">: {roster.name}</span>
            </Button>
          )}
          {roster.may_keep && <Link href={`/oncall/${roster.id}/edit`}>{words.rota.oncall.edit}</Link>}
        </p>
      </div>
      <h4>{words.rota.oncall.weeks(DAYS / 7)}</h4>
      <Calendar
        label={`${roster.name}: ${words.rota.oncall.weeks(DAYS / 7)}`}
        stretches={roster.stretches}
        called={page.called}
        from={page.from_ms}
        to={page.to_ms}
      />
      {roster.gaps.length > 0 && (
        <div className="gaps">
          <h4>{words.rota.oncall.gaps}</h4>
          <ul>
            {roster.gaps.map((one) => (
              <li key={one.from_ms}>
                <b>{span(one.from_ms, one.to_ms)}</b>
                {one.mute.length > 0 && ` – ${words.rota.oncall.mute(one.mute.join(", "))}`}
                {one.locked.length > 0 && ` – ${words.rota.oncall.locked(one.locked.join(", "))}`}
              </li>
            ))}
          </ul>
        </div>
      )}
      <Changes roster={roster} names={names} span={span} />
      <Mine page={page} roster={roster} user={user} span={span} />
      <Swaps roster={roster} user={user} names={names} span={span} />
      {overriding && <OverrideDialog page={page} roster={roster} done={() => override(false)} />}
    </section>
  );
}

interface Lines {
  roster: RosterView;
  names: (ids: string[]) => string;
  span: (from: number, to: number) => string;
}

function Changes({ roster, names, span }: Lines) {
  const words = useRoomWords();
  const end = useDo((id: string) => ask.endOverride(roster.id, id), ["oncall"], words.rota.saved);
  const standing = roster.changes.filter((one) => one.ended_by === null);
  if (standing.length === 0) return null;
  return (
    <div>
      <h4>{words.rota.oncall.overrides}</h4>
      <ul className="lines">
        {standing.map((one) => {
          const into = one.into === null ? words.rota.nobody : names([one.into]);
          const what = one.out === null ? words.rota.oncall.added(into) : words.rota.oncall.change(names([one.out]), into);
          return (
            <li key={one.id}>
              <span>{span(one.from_ms, one.to_ms)}</span> <b>{what}</b>
              <span className="hint">{words.rota.oncall.madeBy(one.made_by, one.why)}</span>
              {roster.may_change && (
                <Button size="xsmall" variant="tertiary" loading={end.isPending} onClick={() => end.mutate(one.id)}>
                  {words.rota.oncall.end}
                  <span className="aksel-sr-only">: {what}</span>
                </Button>
              )}
            </li>
          );
        })}
      </ul>
      {end.isError && <Notice>{whyNot(end.error, words)}</Notice>}
    </div>
  );
}

/// My shifts that are still to come; only those can be swapped.
function Mine({ page, roster, user, span }: { page: OnCall; user: User } & Omit<Lines, "names">) {
  const words = useRoomWords();
  const [swapping, swap] = useState<number | null>(null);
  const mine = roster.stretches.filter((one) => one.staff.includes(user.id) && one.from_ms > page.now_ms);
  if (mine.length === 0) return null;
  const chosen = mine.find((one) => one.from_ms === swapping);
  return (
    <div>
      <h4>{words.rota.oncall.mine}</h4>
      <ul className="lines">
        {mine.map((one) => (
          <li key={one.from_ms}>
            <b>{span(one.from_ms, one.to_ms)}</b>
            <Button size="xsmall" variant="tertiary" onClick={() => swap(one.from_ms)}>
              {words.rota.oncall.swap}
              <span className="aksel-sr-only">: {span(one.from_ms, one.to_ms)}</span>
            </Button>
          </li>
        ))}
      </ul>
      {chosen && <SwapDialog page={page} roster={roster} shift={chosen} user={user} done={() => swap(null)} />}
    </div>
  );
}

function Swaps({ roster, user, names, span }: { user: User } & Lines) {
  const words = useRoomWords();
  const said = useDo(
    ({ id, what }: { id: string; what: "accepted" | "declined" | "withdrawn" }) => ask.answerSwap(roster.id, id, what),
    ["oncall"],
    words.rota.saved,
  );
  if (roster.swaps.length === 0) return null;
  return (
    <div>
      <h4>{words.rota.oncall.swaps}</h4>
      <ul className="lines">
        {roster.swaps.map((one) => {
          const first = span(one.from_ms, one.to_ms);
          const { back_from_ms: from, back_to_ms: to } = one;
          const back = from !== null && to !== null ? span(from, to) : null;
          return (
            <li key={one.id}>
              <span>
                {words.rota.oncall.swapLine(names([one.asked_by]), names([one.asked_of]), first)}
                {back !== null && ` ${words.rota.oncall.swapBack(back)}`}
                {one.note && ` – ${one.note}`}
              </span>{" "}
              <b>{words.rota.oncall.state[one.state]}</b>
              {one.state === "asked" && one.asked_of === user.id && (
                <>
                  <Button size="xsmall" onClick={() => said.mutate({ id: one.id, what: "accepted" })}>
                    {words.rota.oncall.accept}
                  </Button>
                  <Button size="xsmall" variant="secondary" onClick={() => said.mutate({ id: one.id, what: "declined" })}>
                    {words.rota.oncall.decline}
                  </Button>
                </>
              )}
              {one.state === "asked" && one.asked_by === user.id && (
                <Button size="xsmall" variant="tertiary" onClick={() => said.mutate({ id: one.id, what: "withdrawn" })}>
                  {words.rota.oncall.withdraw}
                </Button>
              )}
            </li>
          );
        })}
      </ul>
      {said.isError && <Notice>{whyNot(said.error, words)}</Notice>}
    </div>
  );
}

/// Who was, is or will be on at a moment that somebody types.
function Then() {
  const words = useRoomWords();
  const now = useNow(60_000);
  const [at, setAt] = useState(() => toInput(now));
  const t_ms = fromInput(at);
  const then = useQuery({
    queryKey: ["oncall", "at", t_ms],
    queryFn: () => ask.onCallAt(t_ms),
    enabled: !Number.isNaN(t_ms),
  });
  return (
    <section className="card" aria-labelledby="then">
      <h2 id="then">{words.rota.oncall.then}</h2>
      <WhenField
        type="datetime-local"
        label={words.rota.oncall.at}
        value={at}
        onChange={(event) => setAt(event.target.value)}
      />
      <div aria-live="polite">
        {then.data?.length === 0 ? (
          <p className="none">{words.rota.oncall.thenNobody}</p>
        ) : (
          <dl className="answers">
            {then.data?.map((one) => (
              <div key={one.roster}>
                <dt>{one.name}</dt>
                <dd>{one.people.map((person) => person.name).join(", ") || words.rota.oncall.hole}</dd>
              </div>
            ))}
          </dl>
        )}
      </div>
    </section>
  );
}
