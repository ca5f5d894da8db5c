/// The filter in use, kept for the person on the server: another browser finds it where they left it.
import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Filters, type Wanted, api } from "../api";
import { sessionQuery, worklistQuery } from "../queries";
import { EVERYBODY, type Filtered, filtered, narrows } from "./filter";

export const filtersQuery = queryOptions({ queryKey: ["filters"], queryFn: api.filters });

const RESTS_MS = 400;
let resting: ReturnType<typeof setTimeout> | undefined;

export function useFilter() {
  const queries = useQueryClient();
  const filters = useQuery(filtersQuery);
  const wanted = filters.data?.last ?? EVERYBODY;
  const choose = (next: Wanted) => {
    const last = narrows(next) ? next : null;
    queries.setQueryData<Filters>(["filters"], (old) => ({ saved: old?.saved ?? [], last }));
    // Each letter of a name need not be stored.
    clearTimeout(resting);
    resting = setTimeout(() => void api.useFilter(last).catch(() => undefined), RESTS_MS);
  };
  const kept = (saved: Filters) =>
    queries.setQueryData<Filters>(["filters"], (old) => ({ saved: saved.saved, last: old?.last ?? null }));
  const save = useMutation({
    mutationFn: (name: string) => api.saveFilter({ name, wanted }),
    networkMode: "always",
    onSuccess: kept,
  });
  const remove = useMutation({ mutationFn: api.removeFilter, networkMode: "always", onSuccess: kept });
  return { wanted, saved: filters.data?.saved ?? [], choose, save, remove };
}

/// The worklist's rows as the person has filtered them; undefined while they are on their way.
export function useFilteredRows(): Filtered | undefined {
  const { data: list } = useQuery(worklistQuery);
  const { data: me } = useQuery(sessionQuery);
  const { wanted } = useFilter();
  return list && filtered(list.rows, wanted, me?.name ?? "");
}
