/// The programmes: which there are, what one says, how its versions differ, and what is to come in force.
import { Button, Select } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import * as format from "../format";
import { useRoomWords, useSay } from "../i18n";
import { Fetched, useTitle } from "../parts";
import { type ProgrammePage, programmeQuery, programmesQuery } from "./asks";
import { Changes, VersionLines } from "./lines";
import { type Candidate, Next, Write } from "./next";
import "./programmes.css";

export default function ProgrammesPage({ name }: { name: string | null }) {
  return name === null ? <All /> : <One key={name} name={name} />;
}

function All() {
  const words = useRoomWords();
  const say = useSay();
  const P = words.programmes;
  const all = useQuery(programmesQuery);
  useTitle(P.title);
  return (
    <div className="page programmes">
      <div className="page-head">
        <h1>{P.title}</h1>
        <p className="lead">{P.lead}</p>
      </div>
      <Fetched query={all}>
        {(programmes) => (
          <div className="card">
            <table className="table">
              <caption className="aksel-sr-only">{P.title}</caption>
              <thead>
                <tr>
                  <th scope="col">{P.name}</th>
                  <th scope="col">{P.versionIs}</th>
                  <th scope="col">{P.since}</th>
                  <th scope="col" className="num">{P.patients}</th>
                  {(["rules", "limits", "expect", "ask", "actions"] as const).map((what) => (
                    <th key={what} scope="col" className="num">
                      {P.counted[what]}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {programmes.map((one) => (
                  <tr key={one.name}>
                    <th scope="row">
                      <Link href={`/programmes/${one.name}`}>{say(one.title)}</Link>
                    </th>
                    <td>{one.version}</td>
                    <td>
                      {format.date(one.since_ms)}, {one.put_by || P.byFile}
                    </td>
                    <td className="num">{one.patients}</td>
                    {[one.rules, one.limits, one.expect, one.ask, one.actions].map((count, n) => (
                      <td key={n} className="num">
                        {count}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Fetched>
    </div>
  );
}

function One({ name }: { name: string }) {
  const words = useRoomWords();
  const say = useSay();
  const P = words.programmes;
  const page = useQuery(programmeQuery(name));
  const now = page.data?.versions.find((one) => one.digest === page.data.digest);
  useTitle(now ? say(now.title) : P.title);
  return (
    <div className="page programmes">
      <p>
        <Link href="/programmes">← {P.title}</Link>
      </p>
      <Fetched query={page}>
        {(data) => (
          <>
            {now && (
              <div className="page-head">
                <h1>{say(now.title)}</h1>
                <p className="lead">{P.head(now.version, data.patients)}</p>
              </div>
            )}
            <Work key={data.seen} page={data} />
          </>
        )}
      </Fetched>
    </div>
  );
}

type Doing = "look" | "write" | Candidate;

/// Looking at what there is; writing what might come; what is to come in force.
function Work({ page }: { page: ProgrammePage }) {
  const P = useRoomWords().programmes;
  const [doing, setDoing] = useState<Doing>("look");
  const top = useRef<HTMLDivElement>(null);
  const [now] = page.versions.filter((one) => one.digest === page.digest);
  const looks = doing === "look";
  const before = useRef(looks);
  useEffect(() => {
    if (before.current !== looks) top.current?.focus();
    before.current = looks;
  }, [looks]);
  if (!now) return null;
  return (
    <div ref={top} tabIndex={-1} className="programme-work">
      {looks && (
        <>
          {page.may_put && (
            <p className="programme-make">
              <Button size="small" onClick={() => setDoing("write")}>
                {P.make}
              </Button>
            </p>
          )}
          <Look page={page} choose={setDoing} />
        </>
      )}
      {!looks && (
        <>
          {(doing === "write" || "text" in doing.which) && (
            <Write
              page={page}
              now={now}
              chosen={(text, found) => setDoing({ which: { text }, version: found.version, dropped: found.limits_dropped })}
              changed={() => setDoing("write")}
            />
          )}
          {doing === "write" ? (
            <p className="actions">
              <Button size="small" variant="tertiary" onClick={() => setDoing("look")}>
                {P.cancel}
              </Button>
            </p>
          ) : (
            <Next key={doing.version.digest} page={page} now={now} candidate={doing} done={() => setDoing("look")} />
          )}
        </>
      )}
    </div>
  );
}

function Look({ page, choose }: { page: ProgrammePage; choose: (candidate: Candidate) => void }) {
  const P = useRoomWords().programmes;
  const [shown, show] = useState(page.digest);
  const [other, against] = useState("");
  const version = page.versions.find((one) => one.digest === shown);
  const held = page.versions.find((one) => one.digest === other);
  const named = (digest: string, number: string) => (digest === page.digest ? `${P.version(number)} (${P.inForce})` : P.version(number));
  return (
    <>
      <section className="card" aria-labelledby="version">
        <div className="programme-choice">
          <h2 id="version">{P.says}</h2>
          <Select size="small" label={P.show} value={shown} onChange={(event) => show(event.target.value)}>
            {page.versions.map((one) => (
              <option key={one.digest} value={one.digest}>
                {named(one.digest, one.version)}
              </option>
            ))}
          </Select>
          {page.versions.length > 1 && (
            <Select size="small" label={P.compare} value={other} onChange={(event) => against(event.target.value)}>
              <option value="">{P.nothing}</option>
              {page.versions
                .filter((one) => one.digest !== shown)
                .map((one) => (
                  <option key={one.digest} value={one.digest}>
                    {named(one.digest, one.version)}
                  </option>
                ))}
            </Select>
          )}
        </div>
        {version && held && held !== version ? <Changes before={held} after={version} /> : version && <VersionLines version={version} />}
        {version && page.may_put && version.digest !== page.digest && (
          <p className="actions">
            <Button size="small" variant="secondary" onClick={() => choose({ which: { digest: version.digest }, version, dropped: 0 })}>
              {P.again(version.version)}
            </Button>
          </p>
        )}
      </section>
      <section className="card" aria-labelledby="history">
        <h2 id="history">{P.history}</h2>
        <ol className="lines">
          {page.history.map((one, n) => (
            <li key={one.id}>
              <b>{P.version(one.version)}</b>
              <span>
                {format.dateTime(one.since_ms)}, {one.put_by || P.byFile}
              </span>
              {n === 0 && <b>{P.inForce}</b>}
              {one.reason && <span className="hint">{one.reason}</span>}
            </li>
          ))}
        </ol>
      </section>
    </>
  );
}
