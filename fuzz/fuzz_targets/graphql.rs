#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (judges::targets::of("graphql").run)(data);
});
