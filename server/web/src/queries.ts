/// What is asked of the server, each under the key by which the live stream renews it.
import { type Query, QueryClient, queryOptions } from "@tanstack/react-query";
import { Refused, api, withheld } from "./api";
import { setClock } from "./clock";
import { rowsSince } from "./live";
import { overlay } from "./worklist/patch";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // The stream says when something has changed, so nothing is stale of itself.
      staleTime: Number.POSITIVE_INFINITY,
      networkMode: "always",
      retry: (failures, error) => !(error instanceof Refused && error.status < 500) && failures < 3,
    },
  },
});

/// What is shown and could not be fetched anew is asked for again until it can: nobody tells of it a second time.
const AGAIN_MS = 10_000;
export const untilFetched = {
  refetchInterval: ({ state }: Pick<Query, "state">) =>
    state.status === "error" && !withheld(state.error) && AGAIN_MS,
};

export const aboutQuery = queryOptions({
  queryKey: ["about"],
  queryFn: async () => {
    const about = await api.about();
    setClock(about.now_ms, about.speed);
    return about;
  },
});

/// The person signed in, or null.
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async () => {
    try {
      return await api.session();
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return null;
      throw error;
    }
  },
});

export const worklistQuery = queryOptions({
  queryKey: ["worklist"],
  queryFn: async () => {
    const begunWallMs = performance.now();
    const list = await api.worklist();
    return overlay(list, rowsSince(begunWallMs));
  },
  ...untilFetched,
});

export const patientQuery = (id: string) =>
  queryOptions({ queryKey: ["patient", id], queryFn: () => api.patient(id), ...untilFetched });

/// What waits for whoever is signed in, and what they have sent on. The stream renews it when an alarm has changed.
export const casesQuery = queryOptions({ queryKey: ["cases"], queryFn: api.cases, ...untilFetched });

export const myWaysQuery = queryOptions({ queryKey: ["my ways"], queryFn: api.myWays, ...untilFetched });

export const phoneQuery = queryOptions({ queryKey: ["phone"], queryFn: api.phone, ...untilFetched });

/// The fleet has no events of its own; it is asked for again now and then.
export const fleetQuery = queryOptions({ queryKey: ["fleet"], queryFn: api.fleet, refetchInterval: 5_000 });
export const quarantineQuery = queryOptions({
  queryKey: ["quarantine"],
  queryFn: api.quarantine,
  refetchInterval: 15_000,
});
