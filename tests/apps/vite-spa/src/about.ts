export const about = () => 'This page was loaded when it was needed.'
