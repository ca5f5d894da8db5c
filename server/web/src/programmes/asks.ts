/// What the page of programmes asks of the server.
import { queryOptions } from "@tanstack/react-query";
import { explain } from "../acts";
import { Refused, answer, client } from "../api";
import type { components } from "../api.gen";
import type { Words } from "../i18n";
import { untilFetched } from "../queries";

type Schemas = components["schemas"];
export type ProgrammeLine = Schemas["ProgrammeLine"];
export type ProgrammePage = Schemas["ProgrammePage"];
export type Version = Schemas["VersionView"];
export type Checked = Schemas["Checked"];
export type WhatIf = Schemas["WhatIf"];
export type Outcome = Schemas["WhatIfOutcome"];
export type Side = Schemas["WhatIfSide"];

/// A version to try or to put in force: a new one by its text, one there has been by its digest.
export type Which = { text: string } | { digest: string };

const path = (programme: string) => ({ params: { path: { programme } } });

export const ask = {
  all: () => answer(client.GET("/api/programmes")),
  one: (programme: string) => answer(client.GET("/api/programmes/{programme}", path(programme))),
  check: (programme: string, text: string) =>
    answer(client.POST("/api/programmes/{programme}/check", { ...path(programme), body: { text } })),
  put: (programme: string, body: Schemas["PutInForce"]) =>
    answer(client.POST("/api/programmes/{programme}/in-force", { ...path(programme), body })),
  whatIf: () => answer(client.GET("/api/whatif")),
  tryOut: (body: Schemas["WhatIfNew"]) => answer(client.POST("/api/whatif", { body })),
  stop: () => answer(client.POST("/api/whatif/stop")),
};

export const programmesQuery = queryOptions({ queryKey: ["programmes"], queryFn: ask.all, ...untilFetched });
export const programmeQuery = (name: string) =>
  queryOptions({ queryKey: ["programmes", name], queryFn: () => ask.one(name), ...untilFetched });

const SOON = 700;
export const underWay = (one: WhatIf | null | undefined): boolean =>
  one?.state === "gathering" || one?.state === "running";
/// Asked again and again only while one is under way.
export const whatIfQuery = queryOptions({
  queryKey: ["what-if"],
  queryFn: ask.whatIf,
  refetchInterval: ({ state }) => (underWay(state.data) ? SOON : false),
});

/// Whoever was first is named; all else is the server's own sentence, which names the place and the mend.
export const whyNot = (error: unknown, words: Words, first: (who: string) => string): string =>
  error instanceof Refused && error.conflict?.who ? first(error.conflict.who) : explain(error, words);
