#pragma once

#include "CoreMinimal.h"
#include "LiveLinkTypes.h"

struct FLiveLinkTransformStaticData : public FLiveLinkBaseStaticData
{
	static UScriptStruct* StaticStruct();
	bool bIsLocationSupported = true;
	bool bIsRotationSupported = true;
	bool bIsScaleSupported = true;
};
struct FLiveLinkTransformFrameData : public FLiveLinkBaseFrameData
{
	static UScriptStruct* StaticStruct();
	FTransform Transform;
};
