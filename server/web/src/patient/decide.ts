/// A decision about a proposed limit, and the limit in words.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { say } from "../announce";
import { type DecideBody, type Proposal, Refused, api } from "../api";
import * as format from "../format";
import { useWords } from "../i18n";

export const shown = (proposal: Proposal, value: number): string =>
  [format.number(value, proposal.decimals), proposal.unit].filter(Boolean).join(" ");

export function useDecide(patient: string) {
  const queries = useQueryClient();
  const words = useWords();
  return useMutation({
    mutationFn: ({ proposal, body }: { proposal: Proposal; body: DecideBody }) =>
      api.decide(patient, proposal.id, body),
    networkMode: "always",
    onSuccess: () => {
      say("polite", words.proposal.saved);
      void queries.invalidateQueries({ queryKey: ["patient", patient] });
      void queries.invalidateQueries({ queryKey: ["worklist"] });
    },
    onError: (error) => {
      if (!(error instanceof Refused)) return;
      void queries.invalidateQueries({ queryKey: ["patient", patient] });
      if (error.status === 401) void queries.invalidateQueries({ queryKey: ["session"] });
    },
  });
}
