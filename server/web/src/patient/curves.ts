/// A patient's curves, all that are shown: one word over them when some could not be fetched anew.
import { type QueryFilters, useQueryClient } from "@tanstack/react-query";

/// What went wrong with the first that is old, and the way to ask for all of them again. It is looked at when the page is
/// drawn, which its clock does each second.
export function useCurves(patient: string): { error: unknown; refetch: () => unknown } {
  const queries = useQueryClient();
  const shown: QueryFilters = { queryKey: ["curves", patient], type: "active" };
  const old = queries.getQueryCache().findAll(shown).find(({ state }) => state.status === "error" && state.data);
  return { error: old?.state.error ?? null, refetch: () => queries.refetchQueries(shown) };
}
