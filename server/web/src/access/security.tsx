/// One's own keys: the second step, and where one is signed in.
import { Button, TextField } from "@navikt/ds-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { explain } from "../acts";
import { say } from "../announce";
import * as format from "../format";
import { useRoomWords } from "../i18n";
import { Fetched, Notice, useTitle } from "../parts";
import { Frame, text } from "../patient/dialogs";
import "./access.css";
import { type Enrolment, type Security, type SessionView, access, securityQuery } from "./api";

export default function SecurityPage() {
  const words = useRoomWords();
  useTitle(words.access.security);
  const security = useQuery(securityQuery);
  return (
    <div className="page security">
      <h1>{words.access.security}</h1>
      <Fetched query={security}>
        {(data) => (
          <>
            <SecondStep security={data} />
            <Sessions sessions={data.sessions} />
          </>
        )}
      </Fetched>
    </div>
  );
}

function SecondStep({ security }: { security: Security }) {
  const words = useRoomWords();
  const [dialog, open] = useState<"begin" | "remove" | null>(null);
  const [enrolment, setEnrolment] = useState<Enrolment | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  return (
    <section className="card" aria-labelledby="second">
      <h2 id="second">{words.people.secondStep}</h2>
      {!security.password ? (
        <p>{words.people.atProvider}</p>
      ) : security.second_step ? (
        <>
          <p>{words.people.secondOn(security.recovery_left)}</p>
          <Button size="small" variant="tertiary" onClick={() => open("remove")}>
            {words.people.secondRemove}
          </Button>
        </>
      ) : (
        <>
          <p>{words.people.secondOff}</p>
          {!enrolment && (
            <Button size="small" onClick={() => open("begin")}>
              {words.people.secondAdd}
            </Button>
          )}
        </>
      )}
      {enrolment && (
        <Enrol
          enrolment={enrolment}
          done={(made) => {
            setEnrolment(null);
            setCodes(made);
          }}
        />
      )}
      {codes && <Recovery codes={codes} />}
      {dialog === "begin" && (
        <BeginDialog
          begun={(made) => {
            setEnrolment(made);
            open(null);
          }}
          done={() => open(null)}
        />
      )}
      {dialog === "remove" && <RemoveDialog done={() => open(null)} />}
    </section>
  );
}

function BeginDialog({ begun, done }: { begun: (made: Enrolment) => void; done: () => void }) {
  const words = useRoomWords();
  const act = useMutation({ mutationFn: access.beginSecondStep, networkMode: "always", gcTime: 0, onSuccess: begun });
  return (
    <Frame
      title={words.people.secondAdd}
      error={act.error}
      busy={act.isPending}
      submit={words.people.goOn}
      onSubmit={(form) => act.mutate(text(form, "password"))}
      done={done}
    >
      <p>{words.people.itIsYou}</p>
      <TextField
        size="small"
        name="password"
        type="password"
        label={words.signIn.password}
        autoComplete="current-password"
      />
    </Frame>
  );
}

function Enrol({ enrolment, done }: { enrolment: Enrolment; done: (codes: string[]) => void }) {
  const words = useRoomWords();
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: access.confirmSecondStep,
    networkMode: "always",
    gcTime: 0,
    onSuccess: ({ codes }) => {
      void queries.invalidateQueries({ queryKey: ["security"] });
      done(codes);
    },
  });
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const code = text(new FormData(event.currentTarget), "code").trim();
    if (code.length >= 6) act.mutate(code);
  };
  return (
    <div className="enrol">
      {/* The server's own picture: drawn from the secret, with nothing in it that anybody typed. */}
      <div
        className="square"
        role="img"
        aria-label={words.people.square}
        dangerouslySetInnerHTML={{ __html: enrolment.square }}
      />
      <div>
        <p>{words.people.scan}</p>
        <p className="secret">
          <code>{enrolment.secret.replaceAll(/(.{4})/g, "$1 ").trim()}</code>
        </p>
        <form onSubmit={send} noValidate>
          <TextField
            size="small"
            name="code"
            label={words.people.firstCode}
            autoComplete="one-time-code"
            inputMode="numeric"
          />
          {act.isError && (
            <Notice>
              <p>{words.people.notTheCode}</p>
            </Notice>
          )}
          <Button size="small" type="submit" loading={act.isPending}>
            {words.people.confirm}
          </Button>
        </form>
      </div>
    </div>
  );
}

function Recovery({ codes }: { codes: string[] }) {
  const words = useRoomWords();
  return (
    <div className="recovery" role="status">
      <h3>{words.people.recovery}</h3>
      <p>{words.people.recoveryWhat}</p>
      <ol>
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
    </div>
  );
}

function RemoveDialog({ done }: { done: () => void }) {
  const words = useRoomWords();
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: ({ password, code }: { password: string; code: string }) => access.removeSecondStep(password, code),
    networkMode: "always",
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ["security"] });
      done();
    },
  });
  return (
    <Frame
      title={words.people.secondRemove}
      error={act.error}
      busy={act.isPending}
      submit={words.people.secondRemove}
      onSubmit={(form) => act.mutate({ password: text(form, "password"), code: text(form, "code").trim() })}
      done={done}
    >
      <TextField
        size="small"
        name="password"
        type="password"
        label={words.signIn.password}
        autoComplete="current-password"
      />
      <TextField size="small" name="code" label={words.access.code} autoComplete="one-time-code" />
    </Frame>
  );
}

function Sessions({ sessions }: { sessions: SessionView[] }) {
  const words = useRoomWords();
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: (name: string | null) => (name === null ? access.endOthers() : access.endSession(name)),
    networkMode: "always",
    onSuccess: () => {
      say("polite", words.people.sessionEnded);
      void queries.invalidateQueries({ queryKey: ["security"] });
    },
  });
  return (
    <section className="card" aria-labelledby="sessions">
      <div className="audit-head">
        <h2 id="sessions">{words.people.whereSignedIn}</h2>
        {sessions.length > 1 && (
          <Button size="small" variant="secondary" loading={end.isPending} onClick={() => end.mutate(null)}>
            {words.people.endOthers}
          </Button>
        )}
      </div>
      {end.isError && (
        <Notice>
          <p>{explain(end.error, words)}</p>
        </Notice>
      )}
      <ul className="sessions">
        {sessions.map((one) => (
          <li key={one.name}>
            <div>
              <b>{browser(one.browser) || words.unknown}</b>
              {one.mine && <span className="mine">{words.people.thisOne}</span>}
              <span className="detail">
                {words.people.way[one.way]} {format.dateTime(one.began_ms)} · {words.people.lastUsed}{" "}
                {format.dateTime(one.used_ms)}
              </span>
            </div>
            {!one.mine && (
              <Button size="small" variant="tertiary" onClick={() => end.mutate(one.name)}>
                {words.shell.signOut}
                <span className="aksel-sr-only"> {browser(one.browser)}</span>
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

const BROWSERS = ["Edg", "OPR", "Firefox", "Chrome", "Safari"];
const NAMES: Record<string, string> = { Edg: "Edge", OPR: "Opera" };
const SYSTEMS: [RegExp, string][] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"],
];

/// What a browser calls itself, in two words.
function browser(agent: string): string {
  const kind = BROWSERS.find((one) => agent.includes(`${one}/`));
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1];
  return [kind && (NAMES[kind] ?? kind), system].filter(Boolean).join(", ") || agent.slice(0, 40);
}
