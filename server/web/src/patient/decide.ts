/// A decision about a proposed limit, and the limit in words.
import { type DecideBody, type Proposal, api } from "../api";
import * as format from "../format";
import { useWords } from "../i18n";
import { useSaying } from "../saying";

export const shown = (proposal: Proposal, value: number): string =>
  [format.number(value, proposal.decimals), proposal.unit].filter(Boolean).join(" ");

export function useDecide(patient: string) {
  const words = useWords();
  const send = ({ proposal, body }: { proposal: Proposal; body: DecideBody }) => api.decide(patient, proposal.id, body);
  return useSaying(patient, send, words.proposal.saved);
}
