/// Something said to the server about a patient. What it may have changed is asked for again, also where it was refused:
/// then somebody was first, and the page shows what they did.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { say } from "./announce";
import { Refused } from "./api";

/// `news` is spoken when it is done. `done` has the server's answer before anything is asked for again.
export function useSaying<Said, Told>(
  patient: string,
  send: (said: Said) => Promise<Told>,
  news: string,
  done: (told: Told) => void = () => undefined,
) {
  const queries = useQueryClient();
  const anew = (...more: string[][]) => {
    for (const queryKey of [["patient", patient], ["curves", patient], ["worklist"], ...more])
      void queries.invalidateQueries({ queryKey });
  };
  return useMutation({
    mutationFn: send,
    networkMode: "always",
    onSuccess: (told) => {
      say("polite", news);
      done(told);
      anew();
    },
    onError: (error) => {
      if (error instanceof Refused) anew(...(error.status === 401 ? [["session"]] : []));
    },
  });
}
