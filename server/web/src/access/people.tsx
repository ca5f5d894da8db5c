/// What an administrator keeps: people and their keys, relations with patients, and the broken glass to look at.
import { Button, Radio, RadioGroup, Select, Tag, Textarea } from "@navikt/ds-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { explain } from "../acts";
import { say } from "../announce";
import type { User } from "../api";
import { useNow } from "../clock";
import * as format from "../format";
import { useRoomWords } from "../i18n";
import { Fetched, Notice, useTitle } from "../parts";
import { Frame, text } from "../patient/dialogs";
import "./access.css";
import {
  type GlassView,
  type PeoplePage as Page,
  type PersonDeed,
  type PersonView,
  type RelationNew,
  access,
  peopleQuery,
  reviewQuery,
} from "./api";

export default function PeoplePage({ user }: { user: User }) {
  const words = useRoomWords();
  useTitle(words.access.people);
  return (
    <div className="page people">
      <h1>{words.access.people}</h1>
      {user.role === "administrator" ? <Kept user={user} /> : <p>{words.failed.forbidden}</p>}
    </div>
  );
}

function Kept({ user }: { user: User }) {
  const words = useRoomWords();
  const people = useQuery(peopleQuery);
  const glass = useQuery(reviewQuery);
  const now = useNow();
  return (
    <Fetched query={people}>
      {(page) => (
        <>
          <Fetched query={glass}>{(found) => <Reviews found={found} page={page} now={now} />}</Fetched>
          {page.organisations.map((one) => {
            const staff = page.people.filter((person) => person.organisation === one.id);
            if (staff.length === 0) return null;
            return (
              <section key={one.id} className="card" aria-labelledby={`org-${one.id}`}>
                <h2 id={`org-${one.id}`}>
                  {one.name} <span className="kind">{words.people.kind[one.kind]}</span>
                </h2>
                <Staff people={staff} me={user.id} label={one.name} now={now} />
              </section>
            );
          })}
          <Relations page={page} now={now} />
        </>
      )}
    </Fetched>
  );
}

function Staff({ people, me, label, now }: { people: PersonView[]; me: string; label: string; now: number }) {
  const words = useRoomWords();
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: ({ person, deed }: { person: PersonView; deed: PersonDeed }) => access.person(person.id, deed),
    networkMode: "always",
    onSuccess: (_, { person, deed }) => {
      say("polite", words.people.done[deed](person.name));
      void queries.invalidateQueries({ queryKey: ["people"] });
    },
  });
  return (
    <>
      {act.isError && (
        <Notice>
          <p>{explain(act.error, words)}</p>
        </Notice>
      )}
      <div className="scroll" role="group" aria-label={label} tabIndex={0}>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">{words.people.name}</th>
              <th scope="col">{words.people.roleOf}</th>
              <th scope="col">{words.patient.phone}</th>
              <th scope="col">{words.people.keys}</th>
              <th scope="col">{words.people.signedIn}</th>
              <th scope="col">
                <span className="aksel-sr-only">{words.people.deeds}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {people.map((person) => (
              <tr key={person.id}>
                <th scope="row">
                  {person.name} <span className="detail">{person.id}</span>
                </th>
                <td>{words.role[person.role]}</td>
                <td className="num">{person.phone || "–"}</td>
                <td>
                  <Keys person={person} now={now} />
                </td>
                <td className="num">{person.sessions}</td>
                <td>
                  <div className="actions">
                    {deedsFor(person, me).map((deed) => (
                      <Button
                        key={deed}
                        size="small"
                        variant="tertiary"
                        loading={act.isPending && act.variables.person.id === person.id && act.variables.deed === deed}
                        onClick={() => act.mutate({ person, deed })}
                      >
                        {words.people.deedOf[deed]}
                        <span className="aksel-sr-only"> {person.name}</span>
                      </Button>
                    ))}
                  </div>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function deedsFor(person: PersonView, me: string): PersonDeed[] {
  const deeds: PersonDeed[] = [];
  if (person.locked_ms !== null) deeds.push("unlock");
  else if (person.id !== me) deeds.push("lock");
  if (person.sessions > 0 && person.id !== me) deeds.push("sign-out");
  if (person.second_step && person.id !== me) deeds.push("second-step/reset");
  return deeds;
}

function Keys({ person }: { person: PersonView; now: number }) {
  const words = useRoomWords();
  return (
    <span className="tags">
      {person.locked_ms !== null && (
        <Tag size="small" variant="warning">
          {words.people.locked}
        </Tag>
      )}
      {person.password && (
        <Tag size="small" variant="neutral">
          {words.signIn.password}
        </Tag>
      )}
      {person.second_step && (
        <Tag size="small" variant="neutral">
          {words.people.secondStep}
        </Tag>
      )}
      {person.provider && (
        <Tag size="small" variant="neutral">
          {words.people.provider}
        </Tag>
      )}
    </span>
  );
}

function Relations({ page, now }: { page: Page; now: number }) {
  const words = useRoomWords();
  const queries = useQueryClient();
  const [adding, add] = useState(false);
  const end = useMutation({
    mutationFn: access.endRelation,
    networkMode: "always",
    onSuccess: () => {
      say("polite", words.people.relationEnded);
      void queries.invalidateQueries({ queryKey: ["people"] });
    },
  });
  const whom = (organisation: string | null, staff: string | null) =>
    page.organisations.find((one) => one.id === organisation)?.name ??
    page.people.find((one) => one.id === staff)?.name ??
    staff;
  return (
    <section className="card" aria-labelledby="relations">
      <div className="audit-head">
        <h2 id="relations">{words.people.relations}</h2>
        <Button size="small" variant="secondary" onClick={() => add(true)}>
          {words.people.addRelation}
        </Button>
      </div>
      <p className="lead">{words.people.relationsWhat}</p>
      {end.isError && (
        <Notice>
          <p>{explain(end.error, words)}</p>
        </Notice>
      )}
      {page.relations.length === 0 ? (
        <p className="none">{words.people.relationsNone}</p>
      ) : (
        <div className="scroll" role="group" aria-label={words.people.relations} tabIndex={0}>
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">{words.worklist.patient}</th>
                <th scope="col">{words.people.withWhom}</th>
                <th scope="col">{words.people.purposeOf}</th>
                <th scope="col">{words.people.until}</th>
                <th scope="col">{words.people.madeBy}</th>
                <th scope="col">
                  <span className="aksel-sr-only">{words.people.deeds}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {page.relations.map((one) => (
                <tr key={one.id}>
                  <th scope="row">{one.patient.name}</th>
                  <td>{whom(one.organisation, one.staff)}</td>
                  <td>{words.people.purpose[one.purpose]}</td>
                  <td className="num">{one.until_ms === null ? words.people.untilEnded : format.when(one.until_ms, now)}</td>
                  <td>{one.made_by}</td>
                  <td>
                    {one.made_by !== "municipality.toml" && (
                      <Button size="small" variant="tertiary" loading={end.isPending} onClick={() => end.mutate(one.id)}>
                        {words.people.endRelation}
                        <span className="aksel-sr-only">
                          {" "}
                          {one.patient.name}, {whom(one.organisation, one.staff)}
                        </span>
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {adding && <RelationDialog page={page} now={now} done={() => add(false)} />}
    </section>
  );
}

const DAY_MS = 86_400_000;

function RelationDialog({ page, now, done }: { page: Page; now: number; done: () => void }) {
  const words = useRoomWords();
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: (body: RelationNew) => access.relate(body),
    networkMode: "always",
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ["people"] });
      done();
    },
  });
  const send = (form: FormData) => {
    const [kind, id] = text(form, "whom").split("/");
    const days = Number(text(form, "days"));
    act.mutate({
      patient: text(form, "patient"),
      organisation: kind === "org" ? (id ?? null) : null,
      staff: kind === "person" ? (id ?? null) : null,
      purpose: text(form, "purpose") as RelationNew["purpose"],
      until_ms: days ? Math.round(now + days * DAY_MS) : null,
    });
  };
  return (
    <Frame
      title={words.people.addRelation}
      error={act.error}
      busy={act.isPending}
      submit={words.people.addRelationDo}
      onSubmit={send}
      done={done}
    >
      <Select size="small" name="patient" label={words.worklist.patient}>
        {page.patients.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name} ({one.birth_year})
          </option>
        ))}
      </Select>
      <Select size="small" name="whom" label={words.people.withWhom}>
        {page.organisations.map((one) => (
          <option key={one.id} value={`org/${one.id}`}>
            {one.name}
          </option>
        ))}
        {page.people
          .filter((one) => one.role !== "administrator")
          .map((one) => (
            <option key={one.id} value={`person/${one.id}`}>
              {one.name}, {words.role[one.role]}
            </option>
          ))}
      </Select>
      <Select size="small" name="purpose" label={words.people.purposeOf}>
        {(["treatment", "consultation", "response"] as const).map((one) => (
          <option key={one} value={one}>
            {words.people.purpose[one]}
          </option>
        ))}
      </Select>
      <Select size="small" name="days" label={words.people.until} defaultValue="30">
        {[1, 7, 30, 90, 365].map((days) => (
          <option key={days} value={days}>
            {words.people.days(days)}
          </option>
        ))}
        <option value="">{words.people.untilEnded}</option>
      </Select>
    </Frame>
  );
}

function Reviews({ found, page, now }: { found: GlassView[]; page: Page; now: number }) {
  const words = useRoomWords();
  const [reviewing, review] = useState<GlassView | null>(null);
  if (found.length === 0) return null;
  const where = (id: string) => page.organisations.find((one) => one.id === id)?.name ?? id;
  return (
    <section className="card" aria-labelledby="glass">
      <h2 id="glass">{words.people.reviews}</h2>
      <ul className="reviews">
        {found.map((one) => (
          <li key={one.id} className={one.reviewed_by === null ? "is-waiting" : undefined}>
            <div>
              <b>{one.by}</b>, {words.role[one.by_role]}, {where(one.by_organisation)} → <b>{one.patient.name}</b>
              <span className="detail">
                {format.when(one.from_ms, now)} – {format.when(one.until_ms, now)}
              </span>
              <p>«{one.reason}»</p>
              {one.told.length > 0 && (
                <ul className="detail told" aria-label={words.people.toldAbout}>
                  {one.told.map((each) => (
                    <li key={each.name}>{words.people.told[each.state](each.name, words.me.channel[each.channel])}</li>
                  ))}
                </ul>
              )}
              {one.reviewed_by !== null && one.verdict !== null && (
                <p className="detail">
                  {words.people.verdict[one.verdict]} – {one.reviewed_by} {one.note && `«${one.note}»`}
                </p>
              )}
            </div>
            {one.reviewed_by === null && (
              <Button size="small" variant="secondary" onClick={() => review(one)}>
                {words.people.review}
                <span className="aksel-sr-only"> {one.patient.name}</span>
              </Button>
            )}
          </li>
        ))}
      </ul>
      {reviewing && <ReviewDialog one={reviewing} done={() => review(null)} />}
    </section>
  );
}

function ReviewDialog({ one, done }: { one: GlassView; done: () => void }) {
  const words = useRoomWords();
  const queries = useQueryClient();
  const [missing, setMissing] = useState(false);
  const act = useMutation({
    mutationFn: (body: { verdict: "justified" | "unjustified"; note: string }) => access.reviewGlass(one.id, body),
    networkMode: "always",
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ["glass"] });
      done();
    },
  });
  const send = (form: FormData) => {
    const verdict = text(form, "verdict");
    setMissing(!verdict);
    if (verdict === "justified" || verdict === "unjustified") act.mutate({ verdict, note: text(form, "note") });
  };
  return (
    <Frame
      title={words.people.reviewTitle(one.by, one.patient.name)}
      error={act.error}
      busy={act.isPending}
      submit={words.people.reviewDo}
      onSubmit={send}
      done={done}
    >
      <p>«{one.reason}»</p>
      <RadioGroup size="small" legend={words.people.wasRight} name="verdict" error={missing && words.people.sayWhich}>
        <Radio value="justified">{words.people.verdict.justified}</Radio>
        <Radio value="unjustified">{words.people.verdict.unjustified}</Radio>
      </RadioGroup>
      <Textarea size="small" name="note" label={words.people.note} />
    </Frame>
  );
}
