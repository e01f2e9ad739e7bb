#pragma once

#include "CoreMinimal.h"

namespace Avatar3DLiveLink
{
	/** Key of the head's fingerprint in a frame's metadata. */
	inline const FName HeadKey(TEXT("Avatar3DHead"));

	/** Where `avatar3d stream --to ue://` sends by custom. */
	inline constexpr const TCHAR* DefaultEndpoint = TEXT("127.0.0.1:11120");
}
