"""Block: the one shape of a measurement, from a spot SpO2 to a waveform.

Three times are kept apart. `t_ns` is the best estimate of when the value was true, in UTC; `device_t_ns` is what the
device's own clock said, untouched; the gateway's time of receipt stands in the wire's row beside the block.

`record` is the device's own name for the record (a sequence number with whatever makes it unique on that device).
It is the clinical identity: the same record sent twice is one reading. Where a device has no such name, `device_t_ns`
serves; where it has neither, only the transport's own sequence tells two readings apart.
"""

import msgspec


class Block(msgspec.Struct, frozen=True, tag="block", omit_defaults=True, gc=False):
    """Samples of one channel (a name in `vitals.channels`), in that channel's unit.

    `t_ns` and `value` have the same length; every value is finite. `decimals` is the precision the device reported
    (2.00 is not 2). `status` holds the device's words about quality, see `STATUS`.
    """

    channel: str
    t_ns: tuple[int, ...]
    value: tuple[float, ...]
    decimals: int = 0
    status: tuple[str, ...] = ()
    record: str | None = None
    device_t_ns: int | None = None


STATUS = {
    "clock_unset": "the device's clock was not set; the time is the gateway's",
    "estimated": "the device calls it an early estimate",
    "motion": "the finger or cuff moved",
    "low_perfusion": "weak pulse signal",
    "poor_signal": "the device doubts its signal",
    "questionable": "the device calls the value questionable",
    "irregular_pulse": "irregular pulse seen by the device",
    "demo_data": "the device is showing demonstration data",
    "calibration": "the device is calibrating",
    "stored": "taken earlier and kept in the device's memory",
    "low_battery": "taken on a nearly empty battery",
    "cuff_loose": "the cuff was too loose",
    "bad_position": "the cuff or the arm was not where it should be",
    "pulse_above_range": "the pulse was faster than the device can count",
    "pulse_below_range": "the pulse was slower than the device can count",
    "above_range": "higher than the device can measure; the value is where it ends",
    "below_range": "lower than the device can measure; the value is where it ends",
    "sample_capillary_blood": "of capillary whole blood",
    "sample_capillary_plasma": "of capillary plasma",
    "sample_venous_blood": "of venous whole blood",
    "sample_venous_plasma": "of venous plasma",
    "sample_arterial_blood": "of arterial whole blood",
    "sample_arterial_plasma": "of arterial plasma",
    "sample_blood": "of whole blood of a kind not told",
    "sample_plasma": "of plasma of a kind not told",
    "sample_interstitial": "of interstitial fluid",
    "site_armpit": "in the armpit",
    "site_body": "at the body, no place told",
    "site_ear": "in the ear, or at its lobe",
    "site_gut": "in the gut",
    "site_mouth": "in the mouth",
    "site_rectum": "in the rectum",
    "site_toe": "at the toe",
    "site_eardrum": "at the eardrum",
    "site_alternate": "at an alternate site (palm, forearm)",
    "site_earlobe": "at the ear lobe",
    "site_finger": "at the finger",
    "site_subcutaneous": "under the skin",
}

DOUBTED = frozenset(
    {
        "estimated", "motion", "low_perfusion", "poor_signal", "questionable", "demo_data", "calibration", "cuff_loose",
        "bad_position",
    }
)  # fmt: skip
"""The words of STATUS after which a value is no ground for a decision about the patient."""
