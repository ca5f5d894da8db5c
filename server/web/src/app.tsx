/// Which page, in which language, for whom.
import { useQuery } from "@tanstack/react-query";
import { type ComponentType, type ReactNode, Suspense, lazy } from "react";
import { Route, Switch } from "wouter";
import { Announcer } from "./announce";
import { LanguageContext, fetchRoomWords, useSpoken, useWords } from "./i18n";
import { FailedToLoad, NotFound } from "./parts";
import { aboutQuery, sessionQuery } from "./queries";
import { Shell } from "./shell/shell";
import { SignIn } from "./signin/signin";
import { WorklistPage } from "./worklist/page";

/// A room beside the list and the patient's page: it comes with its words.
const room = <Props extends object>(load: () => Promise<{ default: ComponentType<Props> }>) =>
  lazy(async () => (await Promise.all([load(), fetchRoomWords()]))[0]);

const PatientPage = lazy(() => import("./patient/page"));
const PhonePage = lazy(() => import("./phone/page"));
const PeoplePage = room(() => import("./access/people"));
const SecurityPage = room(() => import("./access/security"));
const CasesPage = room(() => import("./cases/page"));
const FleetPage = room(() => import("./fleet/page"));
const OnCallPage = room(() => import("./oncall/page"));
const RosterEditor = room(() => import("./oncall/editor"));
const HandoverPage = room(() => import("./handover/page"));
const LaddersPage = room(() => import("./ladders/page"));
const ProgrammesPage = room(() => import("./programmes/page"));
const ReportsPage = room(() => import("./reports/page"));
const MePage = room(() => import("./me/page"));

export function App() {
  const spoken = useSpoken();
  if (!spoken) return null;
  return (
    <LanguageContext.Provider value={spoken}>
      <Announcer />
      <Pages />
    </LanguageContext.Provider>
  );
}

function Pages() {
  const words = useWords();
  const about = useQuery(aboutQuery);
  const session = useQuery(sessionQuery);
  const failed = [about, session].find((query) => query.isError && query.data === undefined);
  if (failed)
    return (
      <Alone>
        <FailedToLoad error={failed.error} retry={() => void failed.refetch()} />
      </Alone>
    );
  if (!about.data || session.data === undefined)
    return (
      <Alone>
        <p className="loading">{words.shell.loading}</p>
      </Alone>
    );
  if (session.data === null) return <SignIn about={about.data} />;
  const user = session.data;
  return (
    <Shell about={about.data} user={user}>
      <Suspense fallback={<p className="loading">{words.shell.loading}</p>}>
        <Switch>
          <Route path="/">
            <WorklistPage />
          </Route>
          <Route path="/patient/:id">{({ id }) => <PatientPage key={id} id={id} />}</Route>
          <Route path="/cases/:id?">{({ id }) => <CasesPage id={id} />}</Route>
          <Route path="/phone">
            <PhonePage />
          </Route>
          <Route path="/people">
            <PeoplePage user={user} />
          </Route>
          <Route path="/me/security">
            <SecurityPage />
          </Route>
          <Route path="/me">
            <MePage />
          </Route>
          <Route path="/fleet">
            <FleetPage user={user} />
          </Route>
          <Route path="/oncall">
            <OnCallPage user={user} />
          </Route>
          <Route path="/oncall/:id/edit">{({ id }) => <RosterEditor key={id} id={id} />}</Route>
          <Route path="/handover/:roster?">{({ roster }) => <HandoverPage key={roster ?? ""} roster={roster ?? null} />}</Route>
          <Route path="/ladders">
            <LaddersPage />
          </Route>
          <Route path="/programmes/:name?">{({ name }) => <ProgrammesPage name={name ?? null} />}</Route>
          <Route path="/reports">
            <ReportsPage />
          </Route>
          <Route>
            <NotFound />
          </Route>
        </Switch>
      </Suspense>
    </Shell>
  );
}

/// Before anything is known there is no shell to stand in.
function Alone({ children }: { children: ReactNode }) {
  return (
    <main className="alone">
      <h1>Hjemvakt</h1>
      {children}
    </main>
  );
}
