/// What stands around every page: who is signed in, what time it is, whether the link holds, and the alarms' voice.
import { LeaveIcon, SpeakerSoundWave2FillIcon, SpeakerSlashIcon } from "@navikt/aksel-icons";
import { Button } from "@navikt/ds-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useEffect, useRef } from "react";
import { Link, useLocation } from "wouter";
import { GlassBanner, ToReview } from "../access/glass";
import { explain } from "../acts";
import { type About, Refused, type User, api } from "../api";
import { useNow } from "../clock";
import * as format from "../format";
import { useWords } from "../i18n";
import { listen } from "../live";
import { Notice } from "../parts";
import { casesQuery, worklistQuery } from "../queries";
import { play, useSound } from "../sound";
import { waitingCount } from "../worklist/order";
import { Banners } from "./banners";
import { Failing } from "./failing";
import { KeysHelp } from "./keyshelp";
import { LanguageChoice } from "./language";
import { SoundTest } from "./soundtest";
import "./shell.css";
import { useVoice } from "./voice";

export function Shell({ about, user, children }: { about: About; user: User; children: ReactNode }) {
  const words = useWords();
  const queries = useQueryClient();
  useEffect(() => listen(queries), [queries]);
  useArrival();
  const sound = useSound();
  const leaving = useSignOut(about.provider !== null);
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {words.shell.skip}
      </a>
      <header className="top">
        <Link href="/" className="brand" aria-hidden="true" tabIndex={-1}>
          <img src="/icon.svg" alt="" width="26" height="26" />
          Hjemvakt
        </Link>
        <ServerClock />
        <SoundControl {...sound} />
        <LanguageChoice />
        <Person user={user} signOut={leaving} />
        <Menu phones={about.demo || user.role === "administrator"} user={user} />
      </header>
      {leaving.isError && (
        <Notice>
          <p>
            <b>{words.shell.stillIn}</b> {explain(leaving.error, words)}
          </p>
        </Notice>
      )}
      <Banners about={about} />
      <GlassBanner user={user} />
      <SoundTest {...sound} />
      <KeysHelp />
      <main id="content" tabIndex={-1}>
        <Failing>{children}</Failing>
      </main>
      <Footer about={about} />
    </div>
  );
}

/// On a new page the focus and the view start at its top, as they would had the browser loaded it.
function useArrival(): void {
  const [here] = useLocation();
  const before = useRef(here);
  useEffect(() => {
    if (before.current === here) return;
    before.current = here;
    window.scrollTo(0, 0);
    document.getElementById("content")?.focus();
  }, [here]);
}

function Menu({ phones, user }: { phones: boolean; user: User }) {
  const words = useWords();
  const { data: list } = useQuery(worklistQuery);
  const waiting = waitingCount(list?.rows ?? []);
  return (
    <nav className="menu" aria-label={words.shell.menu}>
      <MenuLink href="/">
        {words.shell.worklist}
        {waiting > 0 && (
          <span className="count">
            <span aria-hidden="true">{waiting}</span>
            <span className="aksel-sr-only">, {words.shell.waitingAlarms(waiting)}</span>
          </span>
        )}
      </MenuLink>
      {user.role !== "administrator" && <CasesLink />}
      <MenuLink href="/oncall">{words.shell.oncall}</MenuLink>
      {user.role !== "administrator" && <MenuLink href="/handover">{words.shell.handover}</MenuLink>}
      {user.role === "administrator" && <MenuLink href="/ladders">{words.shell.ladders}</MenuLink>}
      {user.role === "administrator" && <MenuLink href="/programmes">{words.shell.programmes}</MenuLink>}
      <MenuLink href="/reports">{words.shell.reports}</MenuLink>
      {phones && <MenuLink href="/phone">{words.shell.phones}</MenuLink>}
      <MenuLink href="/fleet">{words.shell.fleet}</MenuLink>
      {user.role === "administrator" && (
        <MenuLink href="/people">
          {words.access.people} <ToReview />
        </MenuLink>
      )}
    </nav>
  );
}

/// How many cases and hand-overs wait for whoever is signed in, and answers that they have not read.
function CasesLink() {
  const words = useWords();
  const { data } = useQuery(casesQuery);
  const answers = data?.sent.filter((one) => one.state === "answered").length ?? 0;
  const waiting = (data?.to_me.length ?? 0) + (data?.handed_to_me.length ?? 0) + answers;
  return (
    <MenuLink href="/cases">
      {words.shell.cases}
      {waiting > 0 && (
        <span className="count">
          <span aria-hidden="true">{waiting}</span>
          <span className="aksel-sr-only">, {words.shell.waitingCases(waiting)}</span>
        </span>
      )}
    </MenuLink>
  );
}

function MenuLink({ href, children }: { href: string; children: ReactNode }) {
  const [here] = useLocation();
  return (
    <Link href={href} aria-current={here === href || here.startsWith(`${href}/`) ? "page" : undefined}>
      {children}
    </Link>
  );
}

function ServerClock() {
  const words = useWords();
  const now = useNow(500);
  return (
    <time className="clock" aria-label={`${words.shell.serverTime} ${format.dateTime(now)}`} role="timer">
      <span className="clock-date">{format.date(now)}</span> <b>{format.clockSeconds(now)}</b>
    </time>
  );
}

function SoundControl({ sound, toggle }: ReturnType<typeof useSound>) {
  const words = useWords();
  const { data: list } = useQuery(worklistQuery);
  useVoice(list?.rows, sound !== "off"); // what was taken away may be given back just then
  return (
    <div className="sound">
      <Button
        size="small"
        variant={sound === "on" ? "tertiary" : "secondary"}
        data-color="neutral"
        icon={sound === "on" ? <SpeakerSoundWave2FillIcon aria-hidden /> : <SpeakerSlashIcon aria-hidden />}
        onClick={toggle}
      >
        {words.sound[sound]}
      </Button>
      {sound === "on" && (
        <Button size="small" variant="tertiary" data-color="neutral" onClick={() => void play("medium")}>
          {words.sound.test}
        </Button>
      )}
    </div>
  );
}

/// A fresh page keeps nothing of the person who left. Who could not be signed out is told so: nobody must walk away from
/// an open page and believe it closed.
function useSignOut(byProvider: boolean) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async () => {
      try {
        await api.signOut();
      } catch (error) {
        if (!(error instanceof Refused && error.status === 401)) throw error; // else it was over already
      }
    },
    networkMode: "always",
    onSuccess: () => {
      queries.clear();
      window.location.assign(byProvider ? "/api/session/oidc/out" : "/");
    },
  });
}

function Person({ user, signOut }: { user: User; signOut: ReturnType<typeof useSignOut> }) {
  const words = useWords();
  return (
    <div className="person">
      <span>
        <Link href="/me" aria-label={words.shell.me(user.name)}>
          <b>{user.name}</b>
        </Link>{" "}
        <span className="role">{words.role[user.role]}</span>{" "}
        <Link href="/me/security">{words.access.security}</Link>
      </span>
      <Button
        size="small"
        variant="tertiary"
        data-color="neutral"
        icon={<LeaveIcon aria-hidden />}
        loading={signOut.isPending}
        onClick={() => signOut.mutate()}
      >
        {words.shell.signOut}
      </Button>
    </div>
  );
}

function Footer({ about }: { about: About }) {
  const words = useWords();
  return (
    <footer className="bottom">
      <span>{words.shell.notDevice}</span>
      <span>{words.shell.version(about.version)}</span>
    </footer>
  );
}
