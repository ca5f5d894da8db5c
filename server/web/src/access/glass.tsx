/// The broken glass: the way to it from a patient who is not one's own, the banner while it lasts, and what those who
/// keep the patient see of it.
import { ExclamationmarkTriangleIcon } from "@navikt/aksel-icons";
import { Button } from "@navikt/ds-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { say } from "../announce";
import { Refused, type User } from "../api";
import { useNow } from "../clock";
import * as format from "../format";
import { useWords } from "../i18n";
import { later } from "../later";
import { sessionQuery } from "../queries";
import "./access.css";
import { access, boundQuery, myGlassQuery, reviewQuery } from "./api";

const BreakDialog = later(async () => (await import("./breaking")).BreakDialog);

/// Under the refusal of a patient's page: the same whether the patient is another's or nobody.
export function BreakGlass({ id, error, opened }: { id: string; error: unknown; opened: () => void }) {
  const words = useWords();
  const { data: user } = useQuery(sessionQuery);
  const [asking, ask] = useState(false);
  if (!(error instanceof Refused) || error.status !== 404 || !user || user.role === "administrator") return null;
  return (
    <section className="card break-glass" aria-labelledby="need">
      <h2 id="need">{words.access.need}</h2>
      <p>{words.access.needWhat}</p>
      <Button size="small" variant="secondary" onClick={() => ask(true)}>
        {words.access.breakGlass}
      </Button>
      {asking && <BreakDialog id={id} opened={opened} done={() => ask(false)} />}
    </section>
  );
}

/// On every page of whoever sees somebody through a broken glass, until it ends.
export function GlassBanner({ user }: { user: User }) {
  const words = useWords();
  const queries = useQueryClient();
  const now = useNow();
  const { data } = useQuery({ ...myGlassQuery, enabled: user.role !== "administrator" });
  const end = useMutation({
    mutationFn: access.mendGlass,
    networkMode: "always",
    onSuccess: () => {
      say("polite", words.access.ended);
      void queries.invalidateQueries();
    },
  });
  const lasting = (data ?? []).filter((one) => one.until_ms > now);
  return (
    <div role="status">
      {lasting.map((one) => (
        <div key={one.id} className="banner banner-glass">
          <ExclamationmarkTriangleIcon aria-hidden />
          <p>
            <b>{words.access.banner(one.patient.name)}</b> {words.access.bannerWhat(format.clock(one.until_ms))}{" "}
            <Link href={`/patient/${encodeURIComponent(one.patient.id)}`}>{words.access.toPatient}</Link>
          </p>
          <Button size="small" variant="secondary" loading={end.isPending} onClick={() => end.mutate(one.id)}>
            {words.access.endNow}
            <span className="aksel-sr-only">, {one.patient.name}</span>
          </Button>
        </div>
      ))}
    </div>
  );
}

/// How many an administrator has to look at, in the menu.
export function ToReview() {
  const words = useWords();
  const { data } = useQuery(reviewQuery);
  const waiting = (data ?? []).filter((one) => one.reviewed_by === null).length;
  if (waiting === 0) return null;
  return (
    <span className="count">
      <span aria-hidden="true">{waiting}</span>
      <span className="aksel-sr-only">, {words.access.toReview(waiting)}</span>
    </span>
  );
}

/// On the patient's page, for the patient's own unit: who sees them in need now.
export function InNeed({ id, now }: { id: string; now: number }) {
  const words = useWords();
  const { data } = useQuery(boundQuery(id));
  const lasting = (data?.glass ?? []).filter((one) => one.until_ms > now);
  if (lasting.length === 0) return null;
  return (
    <ul className="in-need" aria-label={words.access.inNeed}>
      {lasting.map((one) => (
        <li key={one.id}>
          <ExclamationmarkTriangleIcon aria-hidden />
          {words.access.sees(one.by, words.role[one.by_role], format.clock(one.until_ms))} «{one.reason}»
        </li>
      ))}
    </ul>
  );
}
