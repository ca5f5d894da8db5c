/// The patient: why now, what it looked like before, and what to do, on one screen.
import "uplot/dist/uPlot.min.css";
import "./patient.css";
import { ArrowRightIcon, PhoneIcon } from "@navikt/aksel-icons";
import { Button, ToggleGroup } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link, useLocation } from "wouter";
import { Audit } from "../access/audit";
import { BreakGlass, InNeed } from "../access/glass";
import { type PatientPage as Page, withheld } from "../api";
import { useNow } from "../clock";
import { Devices } from "../devices";
import { useSay, useWords } from "../i18n";
import { KeysHint, useKeys } from "../keys";
import { useLater } from "../later";
import { FailedToLoad, News2Line, NotRenewed, useTitle } from "../parts";
import { useLookingAt } from "../presence";
import { Printed } from "../printed";
import { patientQuery } from "../queries";
import { useFilteredRows } from "../worklist/filtering";
import { nextPatient } from "../worklist/order";
import { Alarm, ClosedAlarm } from "./alarm";
import { Chart } from "./chart";
import { useCurves } from "./curves";
import { Dispenser } from "./dispenser";
import { Latest } from "./latest";
import { Orders } from "./orders";
import { Proposals } from "./proposals";
import { Questions } from "./questions";
import { RANGES, type Range } from "./range";
import { Missed } from "../reports/missed";
import { Reviewed } from "./reviewed";
import { Wishes } from "./wishes";

export default function PatientPage({ id }: { id: string }) {
  const words = useWords();
  const page = useQuery(patientQuery(id));
  useTitle((!withheld(page.error) && page.data?.patient.name) || words.worklist.patient);
  useLookingAt(id);
  if (page.data && !withheld(page.error)) return <Patient page={page.data} notice={<NotRenewed query={page} />} />;
  return (
    <div className="page">
      <h1>{words.worklist.patient}</h1>
      {page.isError ? (
        <>
          <FailedToLoad error={page.error} retry={() => void page.refetch()} />
          <BreakGlass id={id} error={page.error} opened={() => void page.refetch()} />
          <p>
            <Link className="way-out" href="/">
              {words.shell.toWorklist}
            </Link>
          </p>
        </>
      ) : (
        <p className="loading">{words.shell.loading}</p>
      )}
    </div>
  );
}

function Patient({ page, notice }: { page: Page; notice: ReactNode }) {
  const words = useWords();
  const now = useNow();
  useLater();
  const open = page.alarms.filter((alarm) => alarm.state !== "closed");
  const closed = page.alarms.filter((alarm) => alarm.state === "closed");
  return (
    <div className="page patient">
      {notice}
      <Head page={page} now={now} />
      <InNeed id={page.patient.id} now={now} />
      <div className="patient-columns">
        <div className="patient-why">
          <section aria-labelledby="why">
            <div className="why-head">
              <h2 id="why">{words.patient.whyNow}</h2>
              <KeysHint keys={words.patient.keys} />
            </div>
            {open.length === 0 && <p className="none card">{words.patient.noAlarms}</p>}
            {open.map((alarm, i) => (
              <Alarm key={alarm.id} alarm={alarm} plan={page.plan} now={now} keys={i === 0} />
            ))}
          </section>
          <Questions page={page} now={now} />
          <Wishes page={page} now={now} />
          <Proposals page={page} now={now} />
          {closed.length > 0 && (
            <section aria-labelledby="earlier">
              <h2 id="earlier">{words.patient.earlier}</h2>
              <ul className="card closed">
                {closed.map((alarm, i) => (
                  <ClosedAlarm
                    key={alarm.id}
                    alarm={alarm}
                    now={now}
                    latest={!open.concat(closed.slice(0, i)).some((other) => other.kind === alarm.kind)}
                  />
                ))}
              </ul>
            </section>
          )}
          <Orders page={page} now={now} />
          <Missed patient={page.patient.id} now={now} />
          <section className="card" aria-labelledby="devices">
            <h2 id="devices">{words.patient.devices}</h2>
            {page.devices.length === 0 ? (
              <p className="none">{words.patient.noDevices}</p>
            ) : (
              <Devices devices={page.devices} now={now} label={words.patient.devices} />
            )}
          </section>
        </div>
        <Trends page={page} now={now} />
      </div>
      <Audit id={page.patient.id} now={now} />
    </div>
  );
}

function Head({ page, now }: { page: Page; now: number }) {
  const words = useWords();
  const inWords = useSay();
  const { patient } = page;
  const gateway = {
    true: words.patient.gatewayOnline,
    false: words.patient.gatewayOffline,
    null: words.patient.gatewayNone,
  };
  return (
    <div className="patient-head card">
      <Printed />
      <div className="patient-name">
        <h1>{patient.name}</h1>
        <Reviewed id={patient.id} name={patient.name} now={now} />
        <NextPatient id={patient.id} />
      </div>
      <dl className="facts">
        <div>
          <dt className="aksel-sr-only">{words.worklist.patient}</dt>
          <dd>
            {words.patient.born(patient.birth_year, new Date(now).getFullYear() - patient.birth_year)}, {patient.place}
          </dd>
        </div>
        <div>
          <dt>{words.patient.phone}</dt>
          <dd>
            <a href={`tel:${page.phone.replaceAll(" ", "")}`} aria-label={words.patient.call(page.phone)}>
              <PhoneIcon aria-hidden /> {page.phone}
            </a>
          </dd>
        </div>
        <div>
          <dt>{words.patient.programme}</dt>
          <dd>{inWords(patient.programme)}</dd>
        </div>
        {page.conditions.length > 0 && (
          <div>
            <dt>{words.patient.conditions}</dt>
            <dd>{page.conditions.join(", ")}</dd>
          </div>
        )}
        <div>
          <dt className="aksel-sr-only">{words.patient.gateway}</dt>
          <dd className={page.gateway_online === false ? "gateway-down" : undefined}>
            {gateway[`${page.gateway_online}`]}
          </dd>
        </div>
      </dl>
    </div>
  );
}

function NextPatient({ id }: { id: string }) {
  const words = useWords();
  const [, go] = useLocation();
  const next = nextPatient(useFilteredRows()?.shown ?? [], id);
  useKeys({ n: () => next && go(`/patient/${next.patient.id}`) });
  if (!next) return <span className="hint">{words.patient.noNext}</span>;
  return (
    <Button
      as={Link}
      role="link"
      href={`/patient/${next.patient.id}`}
      size="small"
      variant="secondary"
      data-color="neutral"
      icon={<ArrowRightIcon aria-hidden />}
      iconPosition="right"
    >
      {words.patient.nextNamed(next.patient.name)}
    </Button>
  );
}

function Trends({ page, now }: { page: Page; now: number }) {
  const words = useWords();
  const say = useSay();
  const [range, setRange] = useState<Range>("h24");
  const range_ms = RANGES[range];
  const curves = useCurves(page.patient.id);
  return (
    <div className="patient-trends">
      <section className="card" aria-labelledby="trends">
        <div className="trends-head">
          <h2 id="trends">{words.patient.trends}</h2>
          <ToggleGroup
            size="small"
            value={range}
            onChange={(value) => setRange(value as Range)}
            aria-label={words.patient.range}
          >
            {(Object.keys(RANGES) as Range[]).map((key) => (
              <ToggleGroup.Item key={key} value={key}>
                {words.patient.ranges[key]}
              </ToggleGroup.Item>
            ))}
          </ToggleGroup>
        </div>
        <NotRenewed query={curves} />
        {page.news2 && <News2Line news2={page.news2} />}
        {page.latest.length === 0 && <p className="none">{words.worklist.noReading}</p>}
        {page.latest.map((value) => (
          <Chart key={value.channel} patient={page.patient.id} value={value} range_ms={range_ms} now={now} />
        ))}
        {page.emptied.map(({ channel, label }) => (
          <div key={channel} className="chart">
            <Latest patient={page.patient.id} channel={channel} label={say(label)} now={now} />
          </div>
        ))}
        <p className="hint">
          {words.patient.trendsWhat} {words.patient.hollow} {page.news2 && words.screens.bands.what}
        </p>
      </section>
      <Dispenser patient={page.patient.id} range_ms={range_ms} now={now} />
    </div>
  );
}
