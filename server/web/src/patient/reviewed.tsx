/// When the patient was last gone through, who else looks just now, and the button that says "I have gone through this".
import { CheckmarkIcon, PrinterSmallIcon } from "@navikt/aksel-icons";
import { Button } from "@navikt/ds-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { explain } from "../acts";
import { say } from "../announce";
import { api } from "../api";
import { useWords } from "../i18n";
import { useKeys } from "../keys";
import { Notice } from "../parts";
import { worklistQuery } from "../queries";
import { Since, ViewedBy } from "../worklist/since";

export function Reviewed({ id, name, now }: { id: string; name: string; now: number }) {
  const words = useWords();
  const { data: list } = useQuery(worklistQuery);
  const row = list?.rows.find((one) => one.patient.id === id);
  // The row that the stream brings says who and when.
  const act = useMutation({
    mutationFn: () => api.review(id),
    networkMode: "always",
    onSuccess: () => say("polite", words.screens.review.done(name)),
  });
  useKeys({ r: () => !act.isPending && act.mutate() });
  return (
    <div className="reviewed">
      <ViewedBy patient={id} />
      {row && (
        <div className="reviewed-since">
          <Since row={row} now={now} />
        </div>
      )}
      <Button
        size="small"
        variant="secondary"
        data-color="neutral"
        icon={<CheckmarkIcon aria-hidden />}
        loading={act.isPending}
        onClick={() => act.mutate()}
      >
        {words.screens.review.button}
      </Button>
      <Button
        size="small"
        variant="tertiary"
        data-color="neutral"
        icon={<PrinterSmallIcon aria-hidden />}
        onClick={() => window.print()}
      >
        {words.screens.print.button}
      </Button>
      {act.isError && (
        <Notice>
          <p>{explain(act.error, words)}</p>
        </Notice>
      )}
    </div>
  );
}
