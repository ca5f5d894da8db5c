/// At log-on: does this machine let an alarm be heard? The strip stays until somebody has answered, and says afterwards
/// for as long as the sound is off that it is. It is asked once a visit; a speaker that was turned down since yesterday
/// is found by nothing else.
import { Button } from "@navikt/ds-react";
import { useState } from "react";
import { useWords } from "../i18n";
import { type Sound, play } from "../sound";

const ANSWERED = "hjemvakt.sound-tested";

function answered(): boolean {
  try {
    return sessionStorage.getItem(ANSWERED) !== null;
  } catch {
    return false;
  }
}

interface SoundTestProps {
  sound: Sound;
  turn: (wanted: "on" | "off") => void;
}

export function SoundTest({ sound, turn }: SoundTestProps) {
  const words = useWords().screens.soundTest;
  const [asking, ask] = useState(() => !answered());
  const [played, setPlayed] = useState(false);
  const done = (wanted: "on" | "off") => {
    try {
      sessionStorage.setItem(ANSWERED, wanted);
    } catch {
      // Private browsing: it is asked again on the next page that is loaded.
    }
    turn(wanted);
    ask(false);
  };
  const test = () => {
    turn("on");
    setPlayed(true);
    void play("medium");
  };
  if (!asking)
    return sound === "off" ? (
      <p className="banner sound-off" role="status">
        {words.off}
      </p>
    ) : null;
  return (
    <section className="banner sound-test" aria-label={words.title}>
      <p>{played && sound === "blocked" ? words.blocked : words.ask}</p>
      <Button size="xsmall" variant={played ? "secondary" : "primary"} onClick={test}>
        {words.play}
      </Button>
      {played && (
        <Button size="xsmall" onClick={() => done("on")}>
          {words.heard}
        </Button>
      )}
      <Button size="xsmall" variant="tertiary" data-color="neutral" onClick={() => done("off")}>
        {words.silent}
      </Button>
    </section>
  );
}
