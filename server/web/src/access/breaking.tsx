/// Breaking the glass: it wants a reason, which is kept and read.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useWords } from "../i18n";
import { ReasonDialog } from "../patient/dialogs";
import { access } from "./api";

const LEAST_REASON = 10;

export function BreakDialog({ id, opened, done }: { id: string; opened: () => void; done: () => void }) {
  const words = useWords();
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: (reason: string) => access.breakGlass(id, reason),
    networkMode: "always",
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ["glass"] });
      done();
      opened();
    },
  });
  return (
    <ReasonDialog
      title={words.access.breakTitle(id)}
      what={words.access.breakWhat}
      label={words.access.reason}
      hint={words.access.reasonWhat}
      least={LEAST_REASON}
      tooShort={words.access.reasonShort}
      error={act.error}
      busy={act.isPending}
      submit={words.access.breakDo}
      give={act.mutate}
      done={done}
    />
  );
}
