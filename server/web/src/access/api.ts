/// What is asked of the server about access, each under the key by which it is renewed.
import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "../api";
import type { components } from "../api.gen";
import { untilFetched } from "../queries";

type Schemas = components["schemas"];
export type Security = Schemas["Security"];
export type SessionView = Schemas["SessionView"];
export type Enrolment = Schemas["Enrolment"];
export type PeoplePage = Schemas["PeoplePage"];
export type PersonView = Schemas["PersonView"];
export type RelationView = Schemas["RelationView"];
export type RelationNew = Schemas["RelationNew"];
export type GlassView = Schemas["GlassView"];
export type GlassReview = Schemas["GlassReview"];
export type AuditRow = Schemas["AuditRow"];
export type PersonDeed = "lock" | "unlock" | "sign-out" | "second-step/reset";

export const access = {
  beginSecondStep: (password: string) => answer(client.POST("/api/me/second-step", { body: { password } })),
  confirmSecondStep: (code: string) => answer(client.POST("/api/me/second-step/confirm", { body: { code } })),
  removeSecondStep: (password: string, code: string) =>
    answer(client.POST("/api/me/second-step/remove", { body: { password, code } })),
  endSession: (session: string) =>
    answer(client.DELETE("/api/me/sessions/{session}", { params: { path: { session } } })),
  endOthers: () => answer(client.DELETE("/api/me/sessions")),
  person: (username: string, deed: PersonDeed) => {
    const params = { params: { path: { username } } };
    if (deed === "lock") return answer(client.POST("/api/people/{username}/lock", params));
    if (deed === "unlock") return answer(client.POST("/api/people/{username}/unlock", params));
    if (deed === "sign-out") return answer(client.POST("/api/people/{username}/sign-out", params));
    return answer(client.POST("/api/people/{username}/second-step/reset", params));
  },
  relate: (body: RelationNew) => answer(client.POST("/api/relations", { body })),
  endRelation: (relation_id: string) =>
    answer(client.POST("/api/relations/{relation_id}/end", { params: { path: { relation_id } } })),
  breakGlass: (patient: string, reason: string) =>
    answer(client.POST("/api/glass", { body: { patient, reason, minutes: 60 } })),
  mendGlass: (glass_id: string) => answer(client.POST("/api/glass/{glass_id}/end", { params: { path: { glass_id } } })),
  reviewGlass: (glass_id: string, body: GlassReview) =>
    answer(client.POST("/api/glass/{glass_id}/review", { params: { path: { glass_id } }, body })),
  audit: (patient_id: string, before: number | null) =>
    answer(
      client.GET("/api/patients/{patient_id}/audit", {
        params: { path: { patient_id }, query: before === null ? {} : { before } },
      }),
    ),
};

export const securityQuery = queryOptions({
  queryKey: ["security"],
  queryFn: () => answer(client.GET("/api/me/security")),
  staleTime: 0,
  ...untilFetched,
});
export const peopleQuery = queryOptions({
  queryKey: ["people"],
  queryFn: () => answer(client.GET("/api/people")),
  staleTime: 0,
  ...untilFetched,
});
export const reviewQuery = queryOptions({
  queryKey: ["glass", "review"],
  queryFn: () => answer(client.GET("/api/glass")),
  ...untilFetched,
});
/// The clock ends it without an event, so it is asked for again now and then.
export const myGlassQuery = queryOptions({
  queryKey: ["glass", "mine"],
  queryFn: () => answer(client.GET("/api/me/glass")),
  refetchInterval: 30_000,
});
export const boundQuery = (id: string) =>
  queryOptions({
    queryKey: ["bound", id],
    queryFn: () => answer(client.GET("/api/patients/{patient_id}/bound", { params: { path: { patient_id: id } } })),
    refetchInterval: 60_000,
  });
